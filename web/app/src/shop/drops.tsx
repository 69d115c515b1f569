/** The open and upcoming drops. */
import { useEffect, useRef } from "preact/hooks";
import { call } from "../api";
import { now } from "../clock";
import { Countdown } from "../drop/countdown";
import { phaseOf } from "../drop/phase";
import { t, tn } from "../i18n";
import type { Drop } from "../types";
import { Price } from "../ui/price";
import { ProductPicture } from "../ui/product-picture";
import { useLoad } from "../ui/use-load";
import { dropPath } from "./addresses";
import { pictureOf, titleOf, usePictures } from "./catalogue";

const DROPS_SHOWN_MAX = 4;
/** The interval of reading the list. It has no subscription, since visitors of the list are not viewers of any drop. */
const LOOK_MS = 20_000;
/** The interval while a drop is about to open. */
const LOOK_SOON_MS = 1_500;

export function Drops() {
  const { value, error, retry } = useLoad("drops", async () => (await call("list_drops", { params: { limit: 12 } })).items);
  const order = { open: 0, sold_out: 1, scheduled: 1, ended: 2, cancelled: 3, draft: 3 };
  // The initial order stays: a card does not move during a tap.
  const places = useRef(new Map<string, number>());
  const listed = value
    ?.filter((drop) => drop.state !== "cancelled" && drop.state !== "draft")
    .sort((a, b) => order[a.state] - order[b.state]);
  for (const { id } of listed ?? []) if (!places.current.has(id)) places.current.set(id, places.current.size);
  const place = ({ id }: Drop) => places.current.get(id) ?? 0;
  const shown = listed?.sort((a, b) => place(a) - place(b)).slice(0, DROPS_SHOWN_MAX);
  usePictures((shown ?? []).map((drop) => drop.product_id));
  const opening = shown?.some((drop) => phaseOf(drop, now.value) === "opening") ?? false;
  useEffect(() => {
    const timer = setInterval(() => document.hidden || retry(), opening ? LOOK_SOON_MS : LOOK_MS);
    return () => clearInterval(timer);
  }, [opening, retry]);
  // The product grid below shows an error, if there is one.
  if (shown?.length === 0 || (error !== undefined && !shown)) return null;
  return (
    <section class="section" aria-labelledby="drops-title">
      <div class="section-head">
        <h2 id="drops-title">{t("home.dropsTitle")}</h2>
      </div>
      <div class="drop-cards">
        {shown?.map((drop) => <DropCard key={drop.id} drop={drop} />) ?? [0, 1].map((n) => <div key={n} class="drop-card" />)}
      </div>
    </section>
  );
}

function DropCard({ drop }: { drop: Drop }) {
  const phase = phaseOf(drop, now.value);
  const soon = phase === "scheduled" || phase === "opening";
  const price = drop.items[0];
  return (
    <article class="drop-card card">
      <ProductPicture product={pictureOf(drop.product_id, titleOf(drop))} decorative />
      <div>
        <span class={`badge ${phase === "open" ? "live" : soon ? "soon" : ""}`}>{badge(phase)}</span>
        <h3>
          <a href={dropPath(drop, titleOf(drop))}>{titleOf(drop)}</a>
        </h3>
        <p>{price && <Price price={price.price} was={price.compare_at_price} />}</p>
        <p class="small quiet">
          {phase === "open" && tn("drop.left", drop.available)}
          {phase === "scheduled" && drop.starts_at && (
            <span>
              {t("drop.opensIn")} <Countdown until={drop.starts_at} short />
            </span>
          )}
        </p>
      </div>
    </article>
  );
}

function badge(phase: ReturnType<typeof phaseOf>): string {
  if (phase === "open") return t("drop.live");
  if (phase === "scheduled") return t("drop.soon");
  if (phase === "opening") return t("drop.opening");
  if (phase === "may_return") return t("drop.itemHeld");
  return t(phase === "sold_out" ? "drop.itemGone" : "drop.over");
}

