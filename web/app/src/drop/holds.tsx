import type { RefObject } from "preact";
import { useState } from "preact/hooks";
import { msUntil, now } from "../clock";
import { money, t, tn } from "../i18n";
import type { Claim } from "../types";
import { announce } from "../ui/announcer";
import { Icon } from "../ui/icon";
import type { ClaimFlow, Past } from "./claim-flow";
import { shortLeft } from "./countdown";

const NEAR_MS = 60_000;

interface BarProps {
  flow: ClaimFlow;
  /** The element that gets the focus after a claim by keyboard, so that the next Tab leads to the checkout. */
  title: RefObject<HTMLHeadingElement>;
  /** The text while nothing is held, and beside the bar. */
  words: string;
}

/**
 * The held units and the link to the checkout, in a bar that is always visible with the same height, so that nothing
 * moves.
 */
export function HoldBar({ flow, title, words }: BarProps) {
  const holds = flow.holds.value;
  const first = holds[0];
  const paying = holds.some((claim) => claim.checkout_id !== undefined);
  return (
    <div class={first ? "hold-bar held" : "hold-bar"}>
      {first ? (
        <div class="hold-bar-words">
          <h2 ref={title} tabIndex={-1}>
            {tn("hold.title", holds.length)}
          </h2>
          <HoldTimer until={first.expires_at} />
        </div>
      ) : (
        <p class="hold-bar-words quiet">{words}</p>
      )}
      {first && (
        <a class="button" href={`/drops/${flow.dropId}/checkout`}>
          {t(paying ? "hold.payOpen" : "hold.pay")}
          <Icon name="arrow" />
        </a>
      )}
    </div>
  );
}

/** All holds of this drop, including the outcome of those that have ended. */
export function HoldList({ flow, nameOf }: { flow: ClaimFlow; nameOf: (sku: string) => string }) {
  const rows = flow.rows.value;
  if (rows.length === 0) return null;
  return (
    <ul role="list" class="holds" aria-label={t("hold.list")}>
      {rows.map(({ claim, how }) => (
        <li key={claim.id} class={how === "held" ? "hold" : "hold over"}>
          {how === "held" ? (
            <Hold claim={claim} flow={flow} name={nameOf(claim.sku)} />
          ) : (
            <PastHold how={how} name={nameOf(claim.sku)} />
          )}
        </li>
      ))}
    </ul>
  );
}

function Hold({ claim, flow, name }: { claim: Claim; flow: ClaimFlow; name: string }) {
  const [asking, setAsking] = useState(false);
  const returning = flow.returning.value.includes(claim.id);
  const ask = () => {
    setAsking(!asking);
    if (!asking) announce(t("hold.ask", { item: name }));
  };
  return (
    <>
      <div class="hold-facts">
        <div class={asking ? "covered" : ""} aria-hidden={asking}>
          <p class="goods-title">
            {name} · {money({ ...claim.unit_price, amount: claim.unit_price.amount * claim.quantity })}
          </p>
          <HoldTimer until={claim.expires_at} />
        </div>
        {asking && (
          <button class="button second" type="button" aria-disabled={returning} onClick={() => void flow.giveBack(claim)}>
            {t(returning ? "hold.givingBack" : "hold.yes", { item: name })}
          </button>
        )}
      </div>
      {claim.checkout_id ? (
        <span class="badge">{t("hold.inCheckout")}</span>
      ) : (
        // While asking, the button at the tapped position keeps the hold, so that a second tap loses nothing.
        <button class="button second hold-action" type="button" aria-disabled={returning} onClick={() => !returning && ask()}>
          {t(asking ? "hold.keep" : "hold.giveBack")}
        </button>
      )}
    </>
  );
}

function PastHold({ how, name }: { how: Past["how"]; name: string }) {
  return (
    <div class="hold-facts" role="alert">
      {how === "given" ? (
        <p>{t("hold.given", { item: name })}</p>
      ) : (
        <>
          <p class="goods-title">{t("hold.expiredTitle")}</p>
          <p class="small">{t("hold.expiredText", { item: name })}</p>
        </>
      )}
    </div>
  );
}

export function HoldTimer({ until }: { until: string }) {
  const leftMs = Math.max(0, msUntil(until, now.value));
  return (
    <p class={leftMs < NEAR_MS ? "hold-timer near small" : "hold-timer small"}>
      <Icon name="clock" />
      <span class="digits" role="timer" aria-live="off">
        {shortLeft(leftMs)}
      </span>
      <span>{t("hold.left")}</span>
    </p>
  );
}
