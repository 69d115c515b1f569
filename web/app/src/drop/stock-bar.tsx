import { number, t } from "../i18n";
import type { Drop } from "../types";

/** The sold and held shares of a drop as a bar; the text beside it contains the same information. */
export function StockBar({ drop }: { drop: Drop }) {
  const share = (n: number) => (drop.quantity > 0 ? (100 * n) / drop.quantity : 0);
  return (
    <div>
      <div class="stock-bar" aria-hidden="true">
        <svg viewBox="0 0 100 1" preserveAspectRatio="none">
          <rect class="sold" width={share(drop.sold)} height="1" />
          <rect class="held" x={share(drop.sold)} width={share(drop.held)} height="1" />
        </svg>
      </div>
      <p class="stock-words quiet digits">
        <span>{t("drop.leftOf", { n: number(drop.available), of: number(drop.quantity) })}</span>
        <span>{t("drop.of", { sold: number(drop.sold), of: number(drop.quantity) })}</span>
      </p>
    </div>
  );
}
