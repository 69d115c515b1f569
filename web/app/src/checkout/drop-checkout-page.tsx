import { useEffect, useMemo, useRef } from "preact/hooks";
import type { PageProps } from "../app";
import { ClaimDesk } from "../drop/claim-desk";
import { HoldTimer } from "../drop/holds";
import { useMilestones } from "../drop/milestones";
import { useDrop } from "../drop/use-drop";
import { t } from "../i18n";
import { dropPath, idIn } from "../shop/addresses";
import { titleOf } from "../shop/catalogue";
import type { GoodsLine } from "../types";
import { LoadFailed, LoadNotice } from "../ui/load-state";
import { Notice } from "../ui/notice";
import { PageTitle } from "../ui/page-title";
import { CheckoutDesk } from "./checkout-desk";
import { CheckoutPanel } from "./checkout-panel";

/** How many claims the server takes in one checkout. */
const CLAIMS_MAX = 20;

export function DropCheckoutPage({ params }: PageProps) {
  const id = idIn(params["id"] ?? "");
  const { drop, error, retry, nameOf } = useDrop(id);
  const names = useRef(nameOf);
  names.current = nameOf;
  const claims = useMemo(() => new ClaimDesk(id, (sku) => names.current(sku)), [id]);
  const desk = useMemo(() => new CheckoutDesk(`drop.${id}`, () => void claims.load()), [id]);
  useEffect(() => () => (claims.dispose(), desk.dispose()), [claims, desk]);

  // The ones that end first; what is more than a checkout takes is paid for in the next.
  const holds = claims.holds.value.slice(0, CLAIMS_MAX);
  useEffect(() => {
    if (claims.loaded.value) void desk.resume(holds.some((claim) => claim.checkout_id === undefined));
  }, [claims.loaded.value]);
  useMilestones(holds[0]?.expires_at);

  if (error && !drop) return <LoadFailed error={error} onRetry={retry} />;
  const back = drop ? dropPath(drop, titleOf(drop)) : `/drops/${id}`;
  const lines: GoodsLine[] = holds.map((claim) => ({
    sku: claim.sku,
    title: drop ? titleOf(drop) : "",
    quantity: claim.quantity,
    unit_price: claim.unit_price,
    ...(drop?.product_id ? { product_id: drop.product_id } : {}),
  }));
  return (
    <div class="page">
      <p class="back-link">
        <a href={back}>← {drop ? titleOf(drop) : t("common.back")}</a>
      </p>
      <PageTitle plain={t("checkout.title")} />
      {drop && (
        <CheckoutPanel
          desk={desk}
          goods={holds.length > 0 ? { claims: holds.map((claim) => claim.id) } : undefined}
          lines={lines}
          back={back}
          nothing={<NothingHeld claims={claims} back={back} />}
          timer={holds[0] && <HoldTimer until={holds[0].expires_at} />}
        />
      )}
    </div>
  );
}

/** Why there is nothing to pay for. */
function NothingHeld({ claims, back }: { claims: ClaimDesk; back: string }) {
  if (claims.missing.value) return <LoadNotice error={claims.missing.value} onRetry={() => void claims.load()} />;
  const hasEnded = claims.past.value.some(({ how }) => how === "ended");
  const isPaid = !hasEnded && claims.sold.value > 0;
  const toDrop = (
    <>
      <a class="button" href={back}>
        {t("drop.enter")}
      </a>
      {isPaid && (
        <a class="button second" href="/orders">
          {t("order.list")}
        </a>
      )}
    </>
  );
  const [title, text] = hasEnded
    ? (["pay.holdEndedTitle", "pay.holdEndedText"] as const)
    : isPaid
      ? (["pay.allPaidTitle", "pay.allPaidText"] as const)
      : (["pay.nothingHeldTitle", "pay.nothingHeldText"] as const);
  return (
    <Notice tone={hasEnded ? "warn" : "info"} title={t(title)} actions={toDrop}>
      {t(text)}
    </Notice>
  );
}
