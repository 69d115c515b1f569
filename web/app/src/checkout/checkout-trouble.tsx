/** Explains why a payment failed, and what the buyer can do now. */
import { VerifyFirst } from "../account/verification";
import { ShopError } from "../api";
import { money, t, tn } from "../i18n";
import { errorText } from "../ui/load-state";
import { Notice } from "../ui/notice";
import type { CheckoutFlow, Trouble } from "./checkout-flow";

interface Props {
  trouble: Trouble;
  flow: CheckoutFlow;
  /** The page from which the buyer came. */
  back: string;
}

export function CheckoutTrouble({ trouble, flow, back }: Props) {
  const goBack = (
    <a class="button second" href={back}>
      {t("common.back")}
    </a>
  );
  switch (trouble.code) {
    case "payment_declined":
      return (
        <Notice tone="bad" title={t("pay.declinedTitle")} alert>
          {t("pay.declinedText")}
        </Notice>
      );
    case "payment_failed":
      return (
        <Notice tone="bad" title={t("pay.failedTitle")} alert>
          {t("pay.failedText")}
        </Notice>
      );
    case "cancelled":
      return (
        <Notice title={t("pay.cancelledTitle")} alert>
          {t("pay.cancelledText")}
        </Notice>
      );
    case "expired":
      return (
        <Notice tone="warn" title={t("pay.expiredTitle")} actions={goBack} alert>
          {t("pay.expiredText")}
        </Notice>
      );
    case "price_changed":
      return (
        <Notice
          tone="warn"
          title={t("pay.priceTitle", { total: trouble.problem?.total ? money(trouble.problem.total) : "" })}
          alert
        >
          {t("pay.priceText")}
        </Notice>
      );
    case "checkout_in_progress":
      return <OtherTab flow={flow} checkoutId={trouble.problem?.checkout_id} />;
    case "hold_ended":
    case "already_released":
    case "goods_lost":
      return (
        <Notice tone="warn" title={t("pay.holdEndedTitle")} actions={goBack} alert>
          {t("pay.holdEndedText")}
        </Notice>
      );
    case "limit_reached":
    case "limit_exceeded":
      return (
        <Notice tone="warn" title={t("pay.limitTitle")} actions={goBack} alert>
          {t("pay.limitText")}
        </Notice>
      );
    case "insufficient_available":
    case "insufficient_stock":
    case "sold_out":
    case "not_for_sale":
      return (
        <Notice tone="warn" title={t("pay.stockTitle")} actions={goBack} alert>
          {t("pay.stockText")}
        </Notice>
      );
    case "email_unverified":
      return <VerifyFirst />;
    case "too_many_checkouts":
      return (
        <Notice tone="warn" title={t("pay.tooManyTitle")} actions={goBack} alert>
          {t("pay.tooManyText")}
        </Notice>
      );
    case "out_of_range":
    case "invalid_request":
      return (
        <Notice tone="bad" title={tn("checkout.fix", trouble.problem?.errors?.length ?? 1)} alert>
          {trouble.problem?.errors?.map(({ pointer, detail }) => <p key={pointer}>{detail}</p>)}
        </Notice>
      );
    case "session_ended":
      return null;
    default:
      return (
        <Notice tone="bad" title={t("error.title")} alert>
          <p>{errorText(new ShopError(trouble.code, trouble.problem, undefined))}</p>
          {trouble.problem?.request_id && <p class="small">{t("error.reference", { id: trouble.problem.request_id })}</p>}
        </Notice>
      );
  }
}

function OtherTab({ flow, checkoutId }: { flow: CheckoutFlow; checkoutId: string | undefined }) {
  const acting = flow.acting.value;
  const actions = checkoutId && (
    <>
      <button class="button" type="button" aria-disabled={acting} onClick={() => void flow.goOnWith(checkoutId)}>
        {t("pay.goOnHere")}
      </button>
      <button class="button second" type="button" aria-disabled={acting} onClick={() => void flow.startOver(checkoutId)}>
        {t("pay.startOver")}
      </button>
    </>
  );
  return (
    <Notice tone="warn" title={t("pay.otherTabTitle")} actions={actions} alert>
      {t("pay.otherTabText")}
    </Notice>
  );
}
