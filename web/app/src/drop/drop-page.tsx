import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { PageProps } from "../app";
import { now } from "../clock";
import { t, time, tn } from "../i18n";
import { session } from "../session";
import { idIn, productPath } from "../shop/addresses";
import { pictureAt, pictureOf, productOf, seenOf, titleOf } from "../shop/catalogue";
import type { Drop } from "../types";
import { CAN_PAY } from "../checkout/providers";
import { Icon } from "../ui/icon";
import { LoadFailed } from "../ui/load-state";
import { NoPayments } from "../ui/no-payments";
import { PageTitle } from "../ui/page-title";
import { ProductPicture } from "../ui/product-picture";
import { ClaimFlow } from "./claim-flow";
import { ClaimAnswers, DropStateNotice } from "./claim-answers";
import { Countdown } from "./countdown";
import { HoldBar, HoldList } from "./holds";
import { useMilestones } from "./milestones";
import { phaseOf, type Phase } from "./phase";
import { Sizes } from "./sizes";
import { StockBar } from "./stock-bar";
import { useDrop } from "./use-drop";

export function DropPage({ params }: PageProps) {
  const id = idIn(params["id"] ?? "");
  const { drop, error, retry, nameOf } = useDrop(id);
  const names = useRef(nameOf);
  names.current = nameOf;
  const flow = useMemo(() => new ClaimFlow(id, (sku) => names.current(sku)), [id]);
  useEffect(() => () => flow.dispose(), [flow]);
  useEffect(() => {
    if (drop) flow.resume(drop.items);
  }, [drop === undefined, flow]);

  if (error && !drop) return <LoadFailed error={error} onRetry={retry} />;
  if (!drop) return <DropSkeleton />;
  return <DropView drop={drop} flow={flow} nameOf={nameOf} />;
}

function DropView({ drop, flow, nameOf }: { drop: Drop; flow: ClaimFlow; nameOf: (sku: string) => string }) {
  const phase = phaseOf(drop, now.value);
  const starting = phase === "scheduled" || phase === "opening";
  useMilestones(starting ? drop.starts_at : flow.holds.value[0]?.expires_at);
  const product = seenOf(drop.product_id);
  const holdTitle = useRef<HTMLHeadingElement>(null);
  const onHeld = (byKeyboard: boolean) => {
    // Drawn by then. The next Tab leads to the checkout.
    if (byKeyboard) requestAnimationFrame(() => holdTitle.current?.focus());
  };
  // The item last looked at; initially the held item, or the only item of the drop.
  const [looked, setLooked] = useState<string>();
  const wanted = looked ?? flow.holds.value[0]?.sku ?? (drop.items.length === 1 ? drop.items[0]?.sku : undefined);
  const needsAccount = drop.audience === "customers" && !session.value?.role;

  return (
    <div class="page">
      <NoPayments />
      <div class="drop-top">
        <div class="drop-picture">
          <ProductPicture product={pictureOf(drop.product_id, titleOf(drop))} at={pictureAt(productOf(drop.product_id), wanted) ?? 0} />
        </div>
        <div class="drop-facts">
          <div>
            <div class="drop-badges">
              <PhaseBadge phase={phase} />
              {drop.viewers !== undefined && (
                <span class="badge">
                  <Icon name="eye" />
                  {tn("drop.viewers", drop.viewers)}
                </span>
              )}
            </div>
            <PageTitle plain={titleOf(drop)} />
            {drop.product_id && (
              <p class="quiet">
                {product ? `${t("product.by", { vendor: product.vendor })} · ` : ""}
                <a href={product ? productPath(product) : `/products/${drop.product_id}`}>{t("drop.seeProduct")}</a>
              </p>
            )}
          </div>
          <Clock drop={drop} phase={phase} />
          <section aria-labelledby="sizes-title">
            <h2 id="sizes-title" class="unseen">
              {t("drop.sizes")}
            </h2>
            <Sizes
              drop={drop}
              phase={phase}
              flow={flow}
              nameOf={nameOf}
              barred={needsAccount || !CAN_PAY}
              onHeld={onHeld}
              onLook={setLooked}
            />
          </section>
          {/* Elements that appear and disappear are below the buttons, so that no button moves during a tap. */}
          <HoldBar flow={flow} title={holdTitle} words={barWords(flow, phase)} />
          <HoldList flow={flow} nameOf={nameOf} />
          <ClaimAnswers flow={flow} drop={drop} nameOf={nameOf} />
          <DropStateNotice drop={drop} flow={flow} phase={phase} needsAccount={needsAccount} />
          <StockBar drop={drop} />
          <p class="small quiet">
            {tn("drop.cap", drop.per_buyer_max)} {holdWords(drop.hold_seconds)}
          </p>
        </div>
      </div>
    </div>
  );
}

/** Formats whole minutes as minutes, other durations as seconds. */
function holdWords(seconds: number): string {
  return seconds % 60 === 0 ? tn("drop.holdFor", seconds / 60) : tn("drop.holdForSeconds", seconds);
}

function PhaseBadge({ phase }: { phase: Phase }) {
  if (phase === "open" || phase === "may_return") return <span class="badge live">{t("drop.live")}</span>;
  if (phase === "scheduled" || phase === "opening") return <span class="badge soon">{t("drop.soon")}</span>;
  return <span class="badge">{t(phase === "sold_out" ? "drop.itemGone" : "drop.over")}</span>;
}

/** Returns the text of the bar while nothing is held. */
function barWords(flow: ClaimFlow, phase: Phase): string {
  const isWaiting = Object.values(flow.busy.value).some((state) => state !== "answered");
  if (isWaiting) return t("drop.claiming");
  return t(phase === "open" || phase === "may_return" ? "hold.none" : phase === "scheduled" || phase === "opening" ? "hold.notYet" : "hold.over");
}

/** The clock keeps its height after the countdown: at the opening, fingers are over the buttons below. */
function Clock({ drop, phase }: { drop: Drop; phase: Phase }) {
  const { label, until } = clockOf(drop, phase);
  return (
    <div class="drop-clock">
      <p class="countdown-label">{label}</p>
      <Countdown until={until} />
    </div>
  );
}

function clockOf(drop: Drop, phase: Phase): { label: string; until: string } {
  switch (phase) {
    case "scheduled":
      return { label: t("drop.opensAt", { time: time(drop.starts_at ?? drop.ends_at) }), until: drop.starts_at ?? drop.ends_at };
    case "opening":
      return { label: t("drop.opening"), until: drop.as_of };
    case "open":
    case "may_return":
    case "sold_out":
      return { label: t("drop.closesAt", { time: time(drop.ends_at) }), until: drop.ends_at };
    case "ended":
      return { label: t("state.endedTitle"), until: drop.as_of };
    case "cancelled":
      return { label: t("state.cancelledTitle"), until: drop.as_of };
  }
}

function DropSkeleton() {
  return (
    <div class="page" aria-busy="true" aria-label={t("common.loading")}>
      <div class="drop-top">
        <div class="drop-picture">
          <div class="picture skeleton" />
        </div>
      </div>
    </div>
  );
}
