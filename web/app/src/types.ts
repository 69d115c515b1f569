/** The types of the API, from its OpenAPI document, by the names that the pages use. */
import type { FieldError, ProblemDocument } from "@fusioncommerce/client";
import type * as Contract from "@fusioncommerce/client";

export type { FieldError };
export type Money = Contract.Money;
export type Variant = Contract.Variant;
export type Product = Contract.Product;
/** A product in lists: without its description, and with its first image. */
export type ListedProduct = Omit<Product, "description_html" | "options" | "variants"> & {
  variants: Omit<Variant, "options">[];
  variants_count?: number;
};
export type DropItem = Contract.DropItem;
export type Claim = Contract.Claim;
export type CartLine = Contract.CartLine;
export type Cart = Contract.Cart;
export type Checkout = Contract.Checkout;
export type Order = Contract.Order;
export type NewCheckout = Contract.NewCheckout;
export type Quote = Contract.Quote;
export type AddressField = Contract.AddressField;
export type AddressFormat = Contract.AddressFormat;

/** A shipping address: the fields of the country's form, and the country. */
export type Address = Record<string, string>;

/** A drop; only the real-time API has the number of viewers. */
export type Drop = Contract.Drop & { viewers?: number };

/** A displayed line of a cart, a checkout or an order. */
export interface LineItem {
  sku: string;
  product_id?: string;
  title: string;
  quantity: number;
  unit_price: Money;
  /** The options that the buyer chose, as stored in the line. */
  options?: { name: string; value: string }[];
}

/** A problem document with the members of some codes. */
export interface ProblemSaid extends Partial<Pick<ProblemDocument, "detail" | "request_id">> {
  errors?: FieldError[];
  available?: number;
  may_return?: boolean;
  remaining?: number;
  starts_at?: string;
  total?: Money;
  checkout_id?: string;
}
