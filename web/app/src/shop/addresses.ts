/** Where products and drops are: with their handle for people and search engines, and the id that finds them. */
import type { Drop, Product } from "../types";

/** Longer titles are cut: an address is to be read. */
const SLUG_CHARS_MAX = 60;

/** The id in `rain-jacket-6SK2CRD9N6AKH0GSM20ZF0PJB1`, or the whole, if there is none. */
export function idIn(name: string): string {
  return /(?:^|-)([0-9A-HJKMNP-TV-Z]{26})$/.exec(name)?.[1] ?? name;
}

export function productPath(product: Pick<Product, "id" | "handle">): string {
  return `/products/${encodeURIComponent(product.handle)}-${product.id}`;
}

export function dropPath(drop: Pick<Drop, "id">, title: string): string {
  const slug = title
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, "-")
    .slice(0, SLUG_CHARS_MAX)
    .replace(/^-+|-+$/g, "");
  return `/drops/${slug ? `${encodeURIComponent(slug)}-` : ""}${drop.id}`;
}
