/** Every answer that a claim can get, in its own words and with its next step. */
import { t, time, tn } from "../i18n";
import type { Drop } from "../types";
import { errorText } from "../ui/load-state";
import { Notice } from "../ui/notice";
import type { ClaimDesk } from "./claim-desk";
import type { Phase } from "./phase";

interface Props {
  desk: ClaimDesk;
  drop: Drop;
  nameOf: (sku: string) => string;
}

export function ClaimAnswers({ desk, drop, nameOf }: Props) {
  const waiting = Object.values(desk.busy.value).find((state) => state !== "sending" && state !== "answered");
  return (
    <div class="drop-notices">
      {waiting === "offline" && <Notice tone="warn" title={t("claim.waitOffline")} alert />}
      {waiting === "overloaded" && <Notice tone="warn" title={t("claim.waitOverloaded")} alert />}
      {waiting === "unknown" && <Notice tone="warn" title={t("claim.waitUnknown")} alert />}
      <Refusal desk={desk} drop={drop} nameOf={nameOf} />
    </div>
  );
}

/** Whether what is held is the buyer's own. */
function holdsAll(mine: number, held = 0): boolean {
  return mine > 0 && mine >= held;
}

function Refusal({ desk, drop, nameOf }: Props) {
  const refusal = desk.refusal.value;
  if (!refusal) return null;
  const { sku, error } = refusal;
  const item = nameOf(sku);
  const retry = (
    <button class="button second" type="button" onClick={() => void desk.claim(sku)}>
      {t("common.retry")}
    </button>
  );
  switch (error.code) {
    case "sold_out":
      // One has come back since: the button says so.
      if (Date.parse(drop.as_of) > refusal.at && drop.items.some((one) => one.sku === sku && one.available > 0)) return null;
      // All that is held is held here.
      if (error.problem?.may_return && holdsAll(desk.heldOf(sku), drop.items.find((one) => one.sku === sku)?.held)) return null;
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
      return (
        <Notice tone="warn" title={t("verify.title")} alert>
          {t("verify.first")}
        </Notice>
      );
    case "too_many_claims":
      return (
        <Notice tone="warn" title={t("claim.tooMany")} alert>
          {t("claim.tooManyText")}
        </Notice>
      );
    case "session_ended":
      // Said once, above the page, with its own next steps.
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
  desk: ClaimDesk;
  phase: Phase;
  needsAccount: boolean;
}

/** What the drop as a whole is like, when there is nothing to tap. */
export function DropStateNotice({ drop, desk, phase, needsAccount }: StateProps) {
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
      return desk.units.value >= drop.per_buyer_max ? (
        <Notice title={t("claim.limitTitle")}>{tn("claim.limitText", drop.per_buyer_max)}</Notice>
      ) : null;
    case "may_return":
      return holdsAll(desk.heldOf(), drop.held) ? (
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
