import { money, t } from "../i18n";
import type { Money } from "../types";

export function Price({ price, was }: { price: Money; was?: Money | undefined }) {
  const lowered = was !== undefined && was.amount > price.amount;
  return (
    <span class="price">
      <span class={lowered ? "price-now lowered" : "price-now"}>{money(price)}</span>
      {lowered && (
        <s class="price-was">
          <span class="unseen">{t("product.was", { price: "" })}</span>
          {money(was)}
        </s>
      )}
    </span>
  );
}
