/** The units that new variants begin with: a product has prices, the inventory has units. */
import type { Product } from "@fusioncommerce/client";
import { askOnce } from "../asking";
import { parseCount } from "../format";
import { problemText } from "../problems";
import { ct } from "../words";
import { optionNames, type ProductDraft, type VariantDraft } from "./product-draft";

export interface StockFault {
  sku: string;
  why: string;
}

/** Puts the units of new variants on hand, and says of which it could not. `rows` names the draft's rows that were sent. */
export async function setFirstStock(product: Product, draft: ProductDraft, rows: string[]): Promise<StockFault[]> {
  const wanted = draft.variants.filter(
    ({ key, id, removed, stock }) => !id && !removed && rows.includes(key) && (parseCount(stock) ?? 0) > 0,
  );
  const faults: StockFault[] = [];
  for (const row of wanted) {
    const sku = skuOf(product, draft, row);
    if (!sku) continue;
    try {
      const body = { delta: parseCount(row.stock) ?? 0, reason: ct("product.firstStockReason") };
      await askOnce(`stock.first.${sku}`, "adjust_inventory", { params: { sku }, body });
    } catch (thrown) {
      faults.push({ sku, why: problemText(thrown) });
    }
  }
  return faults;
}

/** The SKU that a row has got: its own, or the one that the server has derived for its options. */
function skuOf(product: Product, draft: ProductDraft, row: VariantDraft): string | undefined {
  if (row.sku.trim()) return row.sku.trim();
  const values = optionNames(draft).map((_, index) => row.values[index]?.trim() ?? "");
  return product.variants.find(({ options }) => options.join("\u0000") === values.join("\u0000"))?.sku;
}
