/** The search and filters of the shop. They are in the URL, so that they can be bookmarked, shared and returned to. */
import { location, navigate } from "../router";
import type { ListedProduct } from "../types";

export const ORDERS = ["newest", "price", "price-desc"] as const;
export type Order = (typeof ORDERS)[number];

export interface Filters {
  query: string;
  type: string;
  tag: string;
  inStock: boolean;
  order: Order;
}

export function filtersNow(): Filters {
  const said = location.value.searchParams;
  const order = said.get("sort") as Order;
  return {
    query: said.get("q") ?? "",
    type: said.get("type") ?? "",
    tag: said.get("tag") ?? "",
    inStock: said.get("stock") === "1",
    order: ORDERS.includes(order) ? order : "newest",
  };
}

export function isNarrowed({ query, type, tag, inStock }: Filters): boolean {
  return query !== "" || type !== "" || tag !== "" || inStock;
}

export function addressOf(filters: Partial<Filters>): string {
  const search = new URLSearchParams();
  if (filters.query) search.set("q", filters.query);
  if (filters.type) search.set("type", filters.type);
  if (filters.tag) search.set("tag", filters.tag);
  if (filters.inStock) search.set("stock", "1");
  if (filters.order && filters.order !== "newest") search.set("sort", filters.order);
  return search.size > 0 ? `/?${search}` : "/";
}

export function look(change: Partial<Filters>): void {
  navigate(addressOf({ ...filtersNow(), ...change }), "replace");
}

export function cheapestOf(product: ListedProduct): ListedProduct["variants"][number] | undefined {
  return product.variants.reduce<ListedProduct["variants"][number] | undefined>(
    (best, one) => (best && best.price.amount <= one.price.amount ? best : one),
    undefined,
  );
}

export function isInStock(product: ListedProduct): boolean {
  return product.variants.some((variant) => variant.in_stock);
}

/** Filters and sorts what the API cannot filter and sort. */
export function arranged(products: ListedProduct[], { inStock, order }: Filters): ListedProduct[] {
  const chosen = inStock ? products.filter(isInStock) : products;
  if (order === "newest") return chosen;
  const price = (product: ListedProduct) => cheapestOf(product)?.price.amount ?? Infinity;
  const sign = order === "price" ? 1 : -1;
  return [...chosen].sort((a, b) => sign * (price(a) - price(b)));
}
