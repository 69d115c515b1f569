/** The present and upcoming drops of a product, with their prices. */
import { useEffect } from "preact/hooks";
import { call } from "../api";
import { now } from "../clock";
import { Countdown } from "../drop/countdown";
import { phaseOf } from "../drop/phase";
import { t } from "../i18n";
import type { Product } from "../types";
import { Price } from "../ui/price";
import { useLoad } from "../ui/use-load";
import { dropPath } from "./addresses";
import { titleOf } from "./catalogue";

/** The number of newest drops among which those of the product are found. */
const DROPS_READ_MAX = 100;
const LOOK_MS = 20_000;

export function ProductDrops({ product }: { product: Product }) {
  const { value, retry } = useLoad(product.id, async () => {
    const { items } = await call("list_drops", { params: { limit: DROPS_READ_MAX } });
    return items.filter((drop) => drop.product_id === product.id);
  });
  useEffect(() => {
    const timer = setInterval(() => document.hidden || retry(), LOOK_MS);
    return () => clearInterval(timer);
  }, [retry]);
  const running = value?.filter((drop) => ["scheduled", "opening", "open", "may_return"].includes(phaseOf(drop, now.value)));
  return (
    <ul role="list" class="product-drops">
      {running?.map((drop) => {
        const phase = phaseOf(drop, now.value);
        const isOn = phase === "open" || phase === "may_return";
        const cheapest = [...drop.items].sort((a, b) => a.price.amount - b.price.amount)[0];
        return (
          <li key={drop.id} class="product-drop">
            <div>
              <span class={isOn ? "badge live" : "badge soon"}>{t(isOn ? "drop.live" : phase === "opening" ? "drop.opening" : "drop.soon")}</span>
              <p class="goods-title">{titleOf(drop)}</p>
              {cheapest && <Price price={cheapest.price} was={cheapest.compare_at_price} />}
              {phase === "scheduled" && drop.starts_at && (
                <p class="small quiet">
                  {t("drop.opensIn")} <Countdown until={drop.starts_at} short />
                </p>
              )}
            </div>
            <a class="button second" href={dropPath(drop, titleOf(drop))}>
              {t("drop.enter")}
            </a>
          </li>
        );
      })}
    </ul>
  );
}
