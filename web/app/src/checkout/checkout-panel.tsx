/** The checkout of some goods, in whatever stage it is. */
import { useEffect, useRef } from "preact/hooks";
import { shortLeft } from "../drop/countdown";
import { msUntil, now } from "../clock";
import { money, t } from "../i18n";
import type { Checkout, FieldError, LineItem } from "../types";
import { Icon } from "../ui/icon";
import { Notice } from "../ui/notice";
import { CheckoutForm } from "./checkout-form";
import type { CheckoutFlow, Payable } from "./checkout-flow";
import { CheckoutTrouble } from "./checkout-trouble";
import { Confirmation } from "./confirmation";
import { useQuote } from "./quote";
import { Summary } from "./summary";
import { asShopError } from "../api";
import { LoadNotice } from "../ui/load-state";

/** A constant, so that its identity does not change between renders. */
const NONE: FieldError[] = [];

interface Props {
  flow: CheckoutFlow;
  goods: Payable | undefined;
  lines: LineItem[];
  back: string;
  /** Shown instead of the form if there is nothing to pay for. */
  nothing: preact.ComponentChildren;
  /** Shown above the summary: the timer of a hold. */
  timer?: preact.ComponentChildren;
}

export function CheckoutPanel({ flow, goods, lines, back, nothing, timer }: Props) {
  const stage = flow.stage.value;
  const notices = useRef<HTMLDivElement>(null);
  const troubled = stage.kind === "form" && stage.trouble;
  useEffect(() => {
    // Scrolls only as far as necessary.
    if (troubled) notices.current?.scrollIntoView({ block: "nearest" });
  }, [troubled]);
  const units = lines.map((line) => `${line.sku}×${line.quantity}`).join();
  const { quote, error: unpriced, retry } = useQuote(goods, `${units} ${troubled ? JSON.stringify(troubled) : ""}`);
  if (!flow.loaded.value) return <div aria-busy="true" />;
  switch (stage.kind) {
    case "done":
      return <Confirmation checkout={stage.checkout} order={stage.order} />;
    case "following":
      return stage.checkout.state === "requires_action" ? (
        <Challenge flow={flow} checkout={stage.checkout} />
      ) : (
        <Waiting text={t(stage.slow ? "pay.slowText" : "pay.waitText")} />
      );
    default: {
      const trouble = stage.kind === "form" ? stage.trouble : undefined;
      if (!goods || lines.length === 0) {
        if (stage.kind === "sending") return <Waiting text={t("pay.waitText")} />;
        return (
          <>
            {trouble && <CheckoutTrouble trouble={trouble} flow={flow} back={back} />}
            {!trouble && nothing}
          </>
        );
      }
      // After "the total is now …", paying means agreeing to that total; the new quote follows.
      const total = (trouble?.code === "price_changed" && trouble.problem?.total) || quote?.total;
      const noPrice = unpriced === undefined ? undefined : asShopError(unpriced);
      return (
        <div class="checkout">
          <div>
            <CheckoutForm
              total={noPrice ? undefined : total}
              refused={trouble?.problem?.errors ?? NONE}
              sending={stage.kind === "sending" || flow.settling.value}
              onPay={(means) => void flow.pay(goods, means)}
            />
            {/* Below the button of the request, so that nothing above moves. */}
            <div class="checkout-notices" ref={notices}>
              {trouble && <CheckoutTrouble trouble={trouble} flow={flow} back={back} />}
              {!trouble && noPrice && !noPrice.mayAskAgain && <CheckoutTrouble trouble={noPrice} flow={flow} back={back} />}
              {noPrice?.mayAskAgain && <LoadNotice error={noPrice} onRetry={retry} />}
              {stage.kind === "sending" && stage.wait && <WaitNotice reason={stage.wait} />}
            </div>
          </div>
          <Summary lines={quote?.lines ?? lines} quote={quote} timer={timer} />
        </div>
      );
    }
  }
}

function WaitNotice({ reason }: { reason: "offline" | "overloaded" | "unknown" }) {
  const text = { offline: "error.network", overloaded: "error.overloaded", unknown: "claim.waitUnknown" } as const;
  return <Notice tone="warn" title={t(text[reason])} alert />;
}

/** A heading that takes the focus, since the previously focused element is gone. */
function StageTitle({ text }: { text: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
  }, []);
  return (
    <h2 ref={heading} tabIndex={-1}>
      {text}
    </h2>
  );
}

function Waiting({ text }: { text: string }) {
  return (
    <div class="pay-state" role="status">
      <div class="pay-mark waiting">
        <Icon name="lock" />
      </div>
      <StageTitle text={t("pay.waitTitle")} />
      <p>{text}</p>
    </div>
  );
}

function Challenge({ flow, checkout }: { flow: CheckoutFlow; checkout: Checkout }) {
  const acting = flow.acting.value;
  const leftMs = Math.max(0, msUntil(checkout.next_action?.expires_at ?? checkout.expires_at, now.value));
  return (
    <div class="pay-state">
      <div class="pay-mark">
        <Icon name="user" />
      </div>
      <StageTitle text={t("pay.challengeTitle")} />
      <p class="digits">{t("pay.challengeText", { total: checkout.total ? money(checkout.total) : "", left: shortLeft(leftMs) })}</p>
      <div class="actions">
        <button class="button" type="button" aria-disabled={acting} onClick={() => void flow.confirm()}>
          {t("pay.confirm")}
        </button>
        <button class="button second" type="button" aria-disabled={acting} onClick={() => void flow.cancel()}>
          {t("pay.cancel")}
        </button>
      </div>
    </div>
  );
}
