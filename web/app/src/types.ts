/** What the API sends and takes, as its OpenAPI document says it, by the names that the pages use. */
import type { FieldError, ProblemDocument } from "@fusioncommerce/client";
import type * as Contract from "@fusioncommerce/client";

export type { FieldError };
export type Money = Contract.Money;
export type Variant = Contract.Variant;
export type Product = Contract.Product;
/** A product as lists have it: without what is said of it, and with its first image. */
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

/** Where a parcel goes: what the country's form asks, and the country. */
export type Address = Record<string, string>;

/** How many are there is known over the live connection only. */
export type Drop = Contract.Drop & { viewers?: number };

/** A line of a cart, a checkout or an order, as it is shown. */
export interface GoodsLine {
  sku: string;
  product_id?: string;
  title: string;
  quantity: number;
  unit_price: Money;
  /** What the buyer chose, as the line keeps it. */
  options?: { name: string; value: string }[];
}

/** A problem document with the members that some codes carry. */
export interface ProblemSaid extends Partial<Pick<ProblemDocument, "detail" | "request_id">> {
  errors?: FieldError[];
  available?: number;
  may_return?: boolean;
  remaining?: number;
  starts_at?: string;
  total?: Money;
  checkout_id?: string;
}
