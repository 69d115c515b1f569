import { useEffect, useMemo, useRef } from "preact/hooks";
import type { PageProps } from "../app";
import { ClaimFlow } from "../drop/claim-flow";
import { HoldTimer } from "../drop/holds";
import { useMilestones } from "../drop/milestones";
import { useDrop } from "../drop/use-drop";
import { t } from "../i18n";
import { dropPath, idIn } from "../shop/addresses";
import { titleOf } from "../shop/catalogue";
import type { LineItem } from "../types";
import { LoadFailed, LoadNotice } from "../ui/load-state";
import { Notice } from "../ui/notice";
import { PageTitle } from "../ui/page-title";
import { CheckoutFlow } from "./checkout-flow";
import { CheckoutPanel } from "./checkout-panel";

/** The server's limit of claims in one checkout. */
const CLAIMS_MAX = 20;

export function DropCheckoutPage({ params }: PageProps) {
  const id = idIn(params["id"] ?? "");
  const { drop, error, retry, nameOf } = useDrop(id);
  const names = useRef(nameOf);
  names.current = nameOf;
  const claims = useMemo(() => new ClaimFlow(id, (sku) => names.current(sku)), [id]);
  const flow = useMemo(() => new CheckoutFlow(`drop.${id}`, () => void claims.load()), [id]);
  useEffect(() => () => (claims.dispose(), flow.dispose()), [claims, flow]);

  // The holds that expire first; those beyond the limit are paid for in the next checkout.
  const holds = claims.holds.value.slice(0, CLAIMS_MAX);
  useEffect(() => {
    if (claims.loaded.value) void flow.resume(holds.some((claim) => claim.checkout_id === undefined));
  }, [claims.loaded.value]);
  useMilestones(holds[0]?.expires_at);

  if (error && !drop) return <LoadFailed error={error} onRetry={retry} />;
  const back = drop ? dropPath(drop, titleOf(drop)) : `/drops/${id}`;
  const lines: LineItem[] = holds.map((claim) => ({
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
          flow={flow}
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

/** Explains why there is nothing to pay for. */
function NothingHeld({ claims, back }: { claims: ClaimFlow; back: string }) {
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
