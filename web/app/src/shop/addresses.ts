/** URLs of products and drops: the handle is for people and search engines, the id finds the entity. */
import type { Drop, Product } from "../types";

/** Longer titles are truncated, so that URLs stay readable. */
const SLUG_CHARS_MAX = 60;

/** Returns the id in `rain-jacket-6SK2CRD9N6AKH0GSM20ZF0PJB1`, or the whole text if it has none. */
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
