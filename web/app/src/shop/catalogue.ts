/** A cache of products, for the names and pictures of the goods in carts, drops and orders. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../api";
import { t } from "../i18n";
import type { Drop, LineItem, ListedProduct, Product } from "../types";

const known = signal<Record<string, Product>>({});
/** Product summaries from lists: enough for a name, a URL and a picture. */
const listed = signal<Record<string, ListedProduct>>({});
const asked = new Set<string>();
/** Products that were requested and are not available. */
const missing = signal<ReadonlySet<string>>(new Set());

export function remember(products: Product[]): void {
  known.value = { ...known.value, ...Object.fromEntries(products.map((product) => [product.id, product])) };
}

export function rememberListed(products: ListedProduct[]): void {
  listed.value = { ...listed.value, ...Object.fromEntries(products.map((product) => [product.id, product])) };
}

/** Returns a product from its page, or its summary from a list. */
export function seenOf(id: string | undefined): ListedProduct | undefined {
  return id === undefined ? undefined : (known.value[id] ?? listed.value[id]);
}

/** Returns the whole product, once it has been read. */
export function productOf(id: string | undefined): Product | undefined {
  return id === undefined ? undefined : known.value[id];
}

export function usePictures(ids: (string | undefined)[]): void {
  const wanted = [...new Set(ids)].filter((id): id is string => id !== undefined && !known.value[id]);
  useEffect(() => {
    for (const id of wanted) {
      if (asked.has(id)) continue;
      asked.add(id);
      call("get_product", { params: { id } }).then(
        (product) => remember([product]),
        // Without the product, the goods have a parcel as their picture; the next page requests it again.
        () => {
          asked.delete(id);
          missing.value = new Set([...missing.value, id]);
        },
      );
    }
  }, [wanted.join()]);
}

/** Returns the data for a picture, even before the product is known. */
export function pictureOf(id: string | undefined, title: string) {
  return seenOf(id) ?? { handle: title.toLowerCase().replace(/\W+/g, "-"), type: "", title };
}

/** Returns the names of a product and of its variant `sku`; `Default Title` does not count as a name. */
export function describeSku(productId: string | undefined, sku: string): { product?: string; variant?: string } {
  const product = productOf(productId);
  const variant = product?.variants.find((one) => one.sku === sku);
  const name = variant?.options.filter((value) => value !== "Default Title").join(" · ");
  return { ...(product ? { product: product.title } : {}), ...(name ? { variant: name } : {}) };
}

/**
 * Returns the names of a line of a cart, a checkout or an order, as stored in the line. Lines of earlier versions have
 * no options; for them the present catalogue is used.
 */
export function describeLine(line: Pick<LineItem, "product_id" | "sku" | "title" | "options">): { title: string; variant?: string } {
  if (line.options?.length) return { title: line.title, variant: line.options.map(({ value }) => value).join(" · ") };
  const { product, variant } = describeSku(line.product_id, line.sku);
  return { title: product ?? line.title, ...(variant ? { variant } : {}) };
}

/** Returns the index of the first picture assigned to a variant by the merchant; `undefined` if there is none. */
export function pictureAt(product: Product | undefined, sku: string | undefined): number | undefined {
  if (sku === undefined) return undefined;
  const at = product?.images.findIndex(({ variant_skus }) => variant_skus?.includes(sku)) ?? -1;
  return at >= 0 ? at : undefined;
}

/** Returns the title of a drop; a drop without a title has that of its product. */
export function titleOf(drop: Pick<Drop, "title" | "product_id">): string {
  return drop.title || seenOf(drop.product_id)?.title || t("drop.untitled");
}

/**
 * Returns the name of a drop's item: the options in which it differs, otherwise the name of the goods, numbered if
 * there are several. Never its SKU, which is an internal code of the merchant. Empty until it is known whether there is
 * a name.
 */
export function nameItem(drop: Drop, sku: string): string {
  const { product, variant } = describeSku(drop.product_id, sku);
  if (variant) return variant;
  if (drop.product_id && !product && !missing.value.has(drop.product_id)) return "\u00a0";
  const title = product ?? titleOf(drop);
  return drop.items.length > 1 ? `${title} ${drop.items.findIndex((item) => item.sku === sku) + 1}` : title;
}
