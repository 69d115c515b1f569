/** A message for every response to a claim, with the next step. */
import { VerifyFirst } from "../account/verification";
import { t, time, tn } from "../i18n";
import type { Drop } from "../types";
import { errorText } from "../ui/load-state";
import { Notice } from "../ui/notice";
import type { ClaimFlow } from "./claim-flow";
import type { Phase } from "./phase";

interface Props {
  flow: ClaimFlow;
  drop: Drop;
  nameOf: (sku: string) => string;
}

export function ClaimAnswers({ flow, drop, nameOf }: Props) {
  const waiting = Object.values(flow.busy.value).find((state) => state !== "sending" && state !== "answered");
  return (
    <div class="drop-notices">
      {waiting === "offline" && <Notice tone="warn" title={t("claim.waitOffline")} alert />}
      {waiting === "overloaded" && <Notice tone="warn" title={t("claim.waitOverloaded")} alert />}
      {waiting === "unknown" && <Notice tone="warn" title={t("claim.waitUnknown")} alert />}
      <Refusal flow={flow} drop={drop} nameOf={nameOf} />
    </div>
  );
}

/** Returns whether all held units belong to this buyer. */
function holdsAll(mine: number, held = 0): boolean {
  return mine > 0 && mine >= held;
}

function Refusal({ flow, drop, nameOf }: Props) {
  const refusal = flow.refusal.value;
  if (!refusal) return null;
  const { sku, error } = refusal;
  const item = nameOf(sku);
  const retry = (
    <button class="button second" type="button" onClick={() => void flow.claim(sku)}>
      {t("common.retry")}
    </button>
  );
  switch (error.code) {
    case "sold_out":
      // A unit has returned since, as the button shows.
      if (Date.parse(drop.as_of) > refusal.at && drop.items.some((one) => one.sku === sku && one.available > 0)) return null;
      // All held units are held by this buyer.
      if (error.problem?.may_return && holdsAll(flow.heldOf(sku), drop.items.find((one) => one.sku === sku)?.held)) return null;
      return error.problem?.may_return ? (
        <Notice tone="warn" title={t("claim.mayReturnTitle", { item })} alert>
          {t("claim.mayReturnText")}
        </Notice>
      ) : (
        <Notice tone="warn" title={t("claim.goneTitle", { item })} alert>
          {t("claim.goneText")}
        </Notice>
      );
    case "limit_reached":
      return (
        <Notice tone="warn" title={t("claim.limitTitle")} alert>
          {tn("claim.limitText", drop.per_buyer_max)}
        </Notice>
      );
    case "network_limit":
      return (
        <Notice tone="warn" title={t("claim.networkTitle")} alert>
          {t("claim.networkText")}
        </Notice>
      );
    case "not_open":
      return (
        <Notice tone="warn" title={t("claim.notOpenTitle")} alert>
          {t("claim.notOpenText", { time: time(error.problem?.starts_at ?? drop.starts_at ?? drop.as_of) })}
        </Notice>
      );
    case "ended":
      return (
        <Notice tone="warn" title={t("claim.endedTitle")} actions={<OtherDrops />} alert>
          {t("claim.endedText")}
        </Notice>
      );
    case "account_required":
      return <AccountNeeded />;
    case "email_unverified":
      return <VerifyFirst />;
    case "too_many_claims":
      return (
        <Notice tone="warn" title={t("claim.tooMany")} alert>
          {t("claim.tooManyText")}
        </Notice>
      );
    case "session_ended":
      // Shown once at the top of the page, with the next steps.
      return null;
    default:
      return (
        <Notice tone="bad" title={t("error.title")} actions={retry} alert>
          <p>{errorText(error)}</p>
          {error.problem?.request_id && <p class="small">{t("error.reference", { id: error.problem.request_id })}</p>}
        </Notice>
      );
  }
}

interface StateProps {
  drop: Drop;
  flow: ClaimFlow;
  phase: Phase;
  needsAccount: boolean;
}

/** A notice about the state of the whole drop, when nothing can be claimed. */
export function DropStateNotice({ drop, flow, phase, needsAccount }: StateProps) {
  switch (phase) {
    case "scheduled":
    case "opening":
      return needsAccount ? (
        <AccountNeeded />
      ) : (
        <Notice title={t("state.scheduledTitle")}>{t("state.scheduledText")}</Notice>
      );
    case "open":
      if (needsAccount) return <AccountNeeded />;
      return flow.units.value >= drop.per_buyer_max ? (
        <Notice title={t("claim.limitTitle")}>{tn("claim.limitText", drop.per_buyer_max)}</Notice>
      ) : null;
    case "may_return":
      return holdsAll(flow.heldOf(), drop.held) ? (
        <Notice title={t("state.mineTitle")}>{t("state.mineText")}</Notice>
      ) : (
        <Notice tone="warn" title={t("state.mayReturnTitle")}>
          {t("state.mayReturnText")}
        </Notice>
      );
    case "sold_out":
      return (
        <Notice title={t("state.soldOutTitle")} actions={<OtherDrops />}>
          {t("state.soldOutText")}
        </Notice>
      );
    case "ended":
      return (
        <Notice title={t("state.endedTitle")} actions={<OtherDrops />}>
          {t("state.endedText")}
        </Notice>
      );
    case "cancelled":
      return (
        <Notice tone="warn" title={t("state.cancelledTitle")} actions={<OtherDrops />}>
          {t("state.cancelledText")}
        </Notice>
      );
  }
}

function OtherDrops() {
  return (
    <a class="button second" href="/">
      {t("state.otherDrops")}
    </a>
  );
}

function AccountNeeded() {
  return (
    <Notice
      title={t("state.customersTitle")}
      actions={
        <a class="button" href="/account">
          {t("nav.signIn")}
        </a>
      }
    >
      {t("state.customersText")}
    </Notice>
  );
}
