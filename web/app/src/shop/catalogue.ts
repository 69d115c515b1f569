/** Products met so far, to name and picture the goods of carts, drops and orders. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../api";
import type { Product } from "../types";

const known = signal<Record<string, Product>>({});
const asked = new Set<string>();

export function remember(products: Product[]): void {
  known.value = { ...known.value, ...Object.fromEntries(products.map((product) => [product.id, product])) };
}

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
        () => asked.delete(id),
      );
    }
  }, [wanted.join()]);
}

/** What a picture is made of, also before the product is known. */
export function pictureOf(id: string | undefined, title: string) {
  return productOf(id) ?? { handle: title.toLowerCase().replace(/\W+/g, "-"), type: "", title };
}

/** The names of a product and of the variant that `sku` is; `Default Title` is no name. */
export function describeSku(productId: string | undefined, sku: string): { product?: string; variant?: string } {
  const product = productOf(productId);
  const variant = product?.variants.find((one) => one.sku === sku);
  const name = variant?.options.filter((value) => value !== "Default Title").join(" · ");
  return { ...(product ? { product: product.title } : {}), ...(name ? { variant: name } : {}) };
}
