/** What the API sends and takes, as far as the shop needs it: the schemas of `/openapi.json`. */

export interface Money {
  /** Minor units: cents, yen, fils. */
  amount: number;
  currency: string;
}

export interface Session {
  token: string;
  refresh_token: string;
  subject: string;
  expires_at: string;
  role?: string;
}

export interface Variant {
  id: string;
  sku: string;
  title: string;
  options: string[];
  price: Money;
  compare_at_price?: Money;
  in_stock: boolean;
}

export interface Product {
  id: string;
  handle: string;
  title: string;
  description_html: string;
  vendor: string;
  type: string;
  tags: string[];
  images: { src: string; alt: string }[];
  options: { name: string; values: string[] }[];
  variants: Variant[];
}

export interface DropItem {
  sku: string;
  quantity: number;
  price: Money;
  compare_at_price?: Money;
  available: number;
  held: number;
  sold: number;
}

export type DropState = "draft" | "scheduled" | "open" | "sold_out" | "ended" | "cancelled";

export interface Drop {
  id: string;
  state: DropState;
  version: number;
  title: string;
  product_id?: string;
  audience: "anyone" | "customers";
  per_buyer_max: number;
  hold_seconds: number;
  starts_at?: string;
  ends_at: string;
  items: DropItem[];
  quantity: number;
  available: number;
  held: number;
  sold: number;
  as_of: string;
  /** Known over the live connection only. */
  viewers?: number;
}

export interface Claim {
  id: string;
  drop_id: string;
  sku: string;
  quantity: number;
  unit_price: Money;
  state: "held" | "sold" | "released";
  expires_at: string;
  released?: string;
  checkout_id?: string;
  order_id?: string;
}

export interface CartLine {
  id: string;
  sku: string;
  product_id: string;
  title: string;
  quantity: number;
  price: Money;
}

export interface Cart {
  id: string;
  lines: CartLine[];
  subtotal?: Money;
  checkout_id?: string;
}

export interface GoodsLine {
  sku: string;
  product_id?: string;
  title: string;
  quantity: number;
  unit_price: Money;
}

export interface Checkout {
  id: string;
  state: "pending" | "requires_action" | "completed" | "failed";
  next_action?: { type: "redirect"; url: string; expires_at: string };
  order_id?: string;
  problem?: Problem;
  lines: GoodsLine[];
  subtotal?: Money;
  shipping_total?: Money;
  tax_total?: Money;
  total?: Money;
  expires_at: string;
}

export interface Address {
  name: string;
  line1: string;
  line2?: string;
  city: string;
  postal_code: string;
  country: string;
}

export interface Order {
  id: string;
  number: string;
  payment_state: string;
  fulfillment_state: string;
  lines: GoodsLine[];
  totals: { subtotal: Money; shipping: Money; tax: Money; total: Money; refunded: Money };
  access_url: string;
  email?: string;
  shipping_address?: Partial<Address>;
  placed_at: string;
  paid_at?: string;
  fulfilled_at?: string;
  cancelled_at?: string;
  tracking?: string;
}

export interface Me {
  subject: string;
  email?: string;
  role?: string;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

/** RFC 9457. `code` is stable; some codes carry more members, listed here. */
export interface Problem {
  code: string;
  title: string;
  status: number;
  detail: string;
  request_id?: string;
  errors?: { pointer: string; code: string; detail: string }[];
  available?: number;
  may_return?: boolean;
  remaining?: number;
  starts_at?: string;
  total?: Money;
  checkout_id?: string;
}
