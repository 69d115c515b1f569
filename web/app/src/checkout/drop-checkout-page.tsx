import { useEffect, useMemo, useRef } from "preact/hooks";
import type { PageProps } from "../app";
import { ClaimDesk } from "../drop/claim-desk";
import { HoldTimer } from "../drop/holds";
import { useMilestones } from "../drop/milestones";
import { useDrop } from "../drop/use-drop";
import { t } from "../i18n";
import { titleOf } from "../shop/catalogue";
import type { GoodsLine } from "../types";
import { LoadFailed } from "../ui/load-state";
import { Notice } from "../ui/notice";
import { PageTitle } from "../ui/page-title";
import { CheckoutDesk } from "./checkout-desk";
import { CheckoutPanel } from "./checkout-panel";

/** How many claims the server takes in one checkout. */
const CLAIMS_MAX = 20;

export function DropCheckoutPage({ params }: PageProps) {
  const id = params["id"] ?? "";
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
  const back = `/drops/${id}`;
  const lines: GoodsLine[] = holds.map((claim) => ({
    sku: claim.sku,
    title: drop ? titleOf(drop) : "",
    quantity: claim.quantity,
    unit_price: claim.unit_price,
    ...(drop?.product_id ? { product_id: drop.product_id } : {}),
  }));
  const ended = (
    <Notice
      tone="warn"
      title={t("pay.holdEndedTitle")}
      actions={
        <a class="button" href={back}>
          {t("drop.enter")}
        </a>
      }
    >
      {t("pay.holdEndedText")}
    </Notice>
  );
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
          nothing={ended}
          timer={holds[0] && <HoldTimer until={holds[0].expires_at} />}
        />
      )}
    </div>
  );
}
