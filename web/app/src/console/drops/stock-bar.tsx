import type { Drop } from "@fusioncommerce/client";
import { wholeNumber } from "../format";
import { ct } from "../words";

type Units = Pick<Drop, "quantity" | "sold" | "held" | "available">;

/** The sold, held and remaining shares of a drop. */
export function StockBar({ drop }: { drop: Units }) {
  const whole = Math.max(1, drop.quantity);
  const sold = (drop.sold / whole) * 100;
  const held = (drop.held / whole) * 100;
  const words = ct("drop.barWords", {
    sold: wholeNumber(drop.sold),
    held: wholeNumber(drop.held),
    left: wholeNumber(drop.available),
    of: wholeNumber(drop.quantity),
  });
  return (
    <div class="units-bar" role="img" aria-label={words} title={words}>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="sold" x="0" y="0" width={sold} height="6" />
        <rect class="held" x={sold} y="0" width={held} height="6" />
      </svg>
    </div>
  );
}
