import { asShopError } from "../api";
import { t } from "../i18n";
import { Notice } from "./notice";

/** What to say about an error that no page has special words for. */
export function errorText(thrown: unknown): string {
  const error = asShopError(thrown);
  switch (error.code) {
    case "network":
    case "outcome_unknown":
      return t("error.network");
    case "overloaded":
    case "unavailable":
    case "busy":
      return t("error.overloaded");
    case "rate_limited":
      return t("error.rateLimited");
    case "session_ended":
      return t("session.lostText");
    default:
      return t("error.internal");
  }
}

export function LoadFailed({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const known = asShopError(error);
  if (known.code === "not_found") return <NotFound />;
  const retry = (
    <button class="button" type="button" onClick={onRetry}>
      {t("common.retry")}
    </button>
  );
  return (
    <div class="page narrow">
      <Notice tone="bad" title={t("error.title")} actions={retry} alert>
        <p>{known.mayAskAgain ? errorText(known) : t("error.load")}</p>
        {known.problem?.request_id && <p class="quiet">{t("error.reference", { id: known.problem.request_id })}</p>}
      </Notice>
    </div>
  );
}

export function NotFound({ text }: { text?: string }) {
  return (
    <div class="page narrow">
      <Notice
        title={t("error.notFound")}
        actions={
          <a class="button" href="/">
            {t("common.toShop")}
          </a>
        }
      >
        <p>{text ?? t("error.notFoundText")}</p>
      </Notice>
    </div>
  );
}
