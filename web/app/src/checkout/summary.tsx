import { money, t } from "../i18n";
import { describeLine, pictureAt, pictureOf, productOf, usePictures } from "../shop/catalogue";
import type { LineItem, Money, Quote } from "../types";
import { ProductPicture } from "../ui/product-picture";

interface Props {
  lines: LineItem[];
  /** The quote, once the server has sent it. */
  quote: Quote | undefined;
  timer?: preact.ComponentChildren;
}

export function Summary({ lines, quote, timer }: Props) {
  const hasMore = quote && quote.subtotal.amount !== quote.total.amount;
  return (
    <aside class="summary" aria-labelledby="summary-title">
      <h2 id="summary-title">{t("checkout.summary")}</h2>
      {timer}
      <LineItems lines={lines} />
      <dl class="totals">
        {hasMore && <Sum name={t("checkout.subtotal")} value={quote.subtotal} />}
        {hasMore && quote.shipping_total.amount > 0 && <Sum name={t("checkout.shipping")} value={quote.shipping_total} />}
        {hasMore && quote.tax_total.amount > 0 && <Sum name={t("checkout.tax")} value={quote.tax_total} />}
        <div class="total">
          <dt>{t("checkout.total")}</dt>
          <dd>{quote ? money(quote.total) : "…"}</dd>
        </div>
      </dl>
    </aside>
  );
}

function Sum({ name, value }: { name: string; value: Money }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{money(value)}</dd>
    </div>
  );
}

export function LineItems({ lines }: { lines: LineItem[] }) {
  usePictures(lines.map((line) => line.product_id));
  return (
    <ul role="list">
      {lines.map((line, index) => {
        const { title, variant } = describeLine(line);
        const detail = [variant, line.quantity > 1 && `× ${line.quantity}`].filter(Boolean).join(" ");
        return (
          <li key={`${line.sku}-${index}`} class="goods-line">
            <ProductPicture product={pictureOf(line.product_id, line.title)} at={pictureAt(productOf(line.product_id), line.sku) ?? 0} decorative />
            <div>
              <p class="goods-title">{title}</p>
              <p class="small quiet">{detail}</p>
            </div>
            <span class="digits">{money({ ...line.unit_price, amount: line.unit_price.amount * line.quantity })}</span>
          </li>
        );
      })}
    </ul>
  );
}
