/** The initial stock of new variants. A product has prices; its units are on the stock items of its SKUs. */
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

/** Sets the stock of new variants, and returns the failures. `rows` names the draft's rows that were sent. */
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

/** Returns the SKU of a row: its own, or the one that the server derived for its options. */
function skuOf(product: Product, draft: ProductDraft, row: VariantDraft): string | undefined {
  if (row.sku.trim()) return row.sku.trim();
  const values = optionNames(draft).map((_, index) => row.values[index]?.trim() ?? "");
  return product.variants.find(({ options }) => options.join("\u0000") === values.join("\u0000"))?.sku;
}
