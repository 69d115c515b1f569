/** Products met so far, to name and picture the goods of carts, drops and orders. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../api";
import { t } from "../i18n";
import type { Drop, GoodsLine, ListedProduct, Product } from "../types";

const known = signal<Record<string, Product>>({});
/** What lists have told of products: enough for a name, an address and a picture. */
const listed = signal<Record<string, ListedProduct>>({});
const asked = new Set<string>();
/** Products that were asked for and are not to be seen. */
const missing = signal<ReadonlySet<string>>(new Set());

export function remember(products: Product[]): void {
  known.value = { ...known.value, ...Object.fromEntries(products.map((product) => [product.id, product])) };
}

export function rememberListed(products: ListedProduct[]): void {
  listed.value = { ...listed.value, ...Object.fromEntries(products.map((product) => [product.id, product])) };
}

/** What is known of a product by its page or by a list. */
export function seenOf(id: string | undefined): ListedProduct | undefined {
  return id === undefined ? undefined : (known.value[id] ?? listed.value[id]);
}

/** The whole product, once it has been read. */
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
        // Without it the goods have a parcel for a picture; the next page asks again.
        () => {
          asked.delete(id);
          missing.value = new Set([...missing.value, id]);
        },
      );
    }
  }, [wanted.join()]);
}

/** What a picture is made of, also before the product is known. */
export function pictureOf(id: string | undefined, title: string) {
  return seenOf(id) ?? { handle: title.toLowerCase().replace(/\W+/g, "-"), type: "", title };
}

/** The names of a product and of the variant that `sku` is; `Default Title` is no name. */
export function describeSku(productId: string | undefined, sku: string): { product?: string; variant?: string } {
  const product = productOf(productId);
  const variant = product?.variants.find((one) => one.sku === sku);
  const name = variant?.options.filter((value) => value !== "Default Title").join(" · ");
  return { ...(product ? { product: product.title } : {}), ...(name ? { variant: name } : {}) };
}

/**
 * The names of a line of a cart, a checkout or an order: its own, as they were then. Lines of earlier versions have no
 * options; for them the catalogue says what it knows now.
 */
export function describeLine(line: Pick<GoodsLine, "product_id" | "sku" | "title" | "options">): { title: string; variant?: string } {
  if (line.options?.length) return { title: line.title, variant: line.options.map(({ value }) => value).join(" · ") };
  const { product, variant } = describeSku(line.product_id, line.sku);
  return { title: product ?? line.title, ...(variant ? { variant } : {}) };
}

/** The place of the first picture that shows a variant, as the merchant says. Nothing where none does. */
export function pictureAt(product: Product | undefined, sku: string | undefined): number | undefined {
  if (sku === undefined) return undefined;
  const at = product?.images.findIndex(({ variant_skus }) => variant_skus?.includes(sku)) ?? -1;
  return at >= 0 ? at : undefined;
}

/** What a drop is called: a vendor may have left that to its product. */
export function titleOf(drop: Pick<Drop, "title" | "product_id">): string {
  return drop.title || seenOf(drop.product_id)?.title || t("drop.untitled");
}

/**
 * What an item of a drop is called: by what it differs in, else by the goods, numbered where there are several. Never by
 * its SKU, which is the merchant's word. Empty until it is known whether there is a name.
 */
export function nameItem(drop: Drop, sku: string): string {
  const { product, variant } = describeSku(drop.product_id, sku);
  if (variant) return variant;
  if (drop.product_id && !product && !missing.value.has(drop.product_id)) return "\u00a0";
  const title = product ?? titleOf(drop);
  return drop.items.length > 1 ? `${title} ${drop.items.findIndex((item) => item.sku === sku) + 1}` : title;
}
