import { msUntil, now } from "../clock";
import { money, t, tn } from "../i18n";
import type { Claim } from "../types";
import { Icon } from "../ui/icon";
import type { ClaimDesk } from "./claim-desk";
import { shortLeft } from "./countdown";

const NEAR_MS = 60_000;

/** What the buyer holds in this drop: each with its own timer, and the way to the checkout. */
export function Holds({ desk, nameOf }: { desk: ClaimDesk; nameOf: (sku: string) => string }) {
  const holds = desk.holds.value;
  if (holds.length === 0) return null;
  const paying = holds.some((claim) => claim.checkout_id !== undefined);
  return (
    <section class="holds" aria-labelledby="holds-title">
      <h2 id="holds-title">{tn("hold.title", holds.length)}</h2>
      <ul role="list">
        {holds.map((claim) => (
          <Hold key={claim.id} claim={claim} desk={desk} name={nameOf(claim.sku)} />
        ))}
      </ul>
      <a class="button wide" href={`/drops/${desk.dropId}/checkout`}>
        {t(paying ? "hold.payOpen" : "hold.pay")}
        <Icon name="arrow" />
      </a>
    </section>
  );
}

function Hold({ claim, desk, name }: { claim: Claim; desk: ClaimDesk; name: string }) {
  const returning = desk.returning.value.includes(claim.id);
  return (
    <li class="hold">
      <div>
        <p class="goods-title">
          {name} · {money({ ...claim.unit_price, amount: claim.unit_price.amount * claim.quantity })}
        </p>
        <HoldTimer until={claim.expires_at} />
      </div>
      {claim.checkout_id ? (
        <span class="badge">{t("hold.inCheckout")}</span>
      ) : (
        <button class="button second" type="button" aria-disabled={returning} onClick={() => void desk.giveBack(claim)}>
          {t(returning ? "hold.givingBack" : "hold.giveBack")}
        </button>
      )}
    </li>
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
