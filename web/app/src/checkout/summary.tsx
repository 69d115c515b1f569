import { money, t } from "../i18n";
import { describeSku, pictureAt, pictureOf, productOf, usePictures } from "../shop/catalogue";
import type { GoodsLine, Money } from "../types";
import { ProductPicture } from "../ui/product-picture";

interface Props {
  lines: GoodsLine[];
  subtotal: Money;
  total: Money;
  timer?: preact.ComponentChildren;
}

export function Summary({ lines, subtotal, total, timer }: Props) {
  return (
    <aside class="summary" aria-labelledby="summary-title">
      <h2 id="summary-title">{t("checkout.summary")}</h2>
      {timer}
      <GoodsLines lines={lines} />
      <dl class="totals">
        {subtotal.amount !== total.amount && (
          <div>
            <dt>{t("checkout.subtotal")}</dt>
            <dd>{money(subtotal)}</dd>
          </div>
        )}
        <div class="total">
          <dt>{t("checkout.total")}</dt>
          <dd>{money(total)}</dd>
        </div>
      </dl>
    </aside>
  );
}

export function GoodsLines({ lines }: { lines: GoodsLine[] }) {
  usePictures(lines.map((line) => line.product_id));
  return (
    <ul role="list">
      {lines.map((line, index) => {
        const { product, variant } = describeSku(line.product_id, line.sku);
        const detail = [variant, line.quantity > 1 && `× ${line.quantity}`].filter(Boolean).join(" ");
        return (
          <li key={`${line.sku}-${index}`} class="goods-line">
            <ProductPicture product={pictureOf(line.product_id, line.title)} at={pictureAt(productOf(line.product_id), line.sku) ?? 0} decorative />
            <div>
              <p class="goods-title">{product ?? line.title}</p>
              <p class="small quiet">{detail}</p>
            </div>
            <span class="digits">{money({ ...line.unit_price, amount: line.unit_price.amount * line.quantity })}</span>
          </li>
        );
      })}
    </ul>
  );
}
