import { asShopError } from "../api";
import { t } from "../i18n";
import { Notice } from "./notice";
import { PageTitle } from "./page-title";

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
  if (asShopError(error).code === "not_found") return <NotFound />;
  return (
    <div class="page narrow">
      <PageTitle plain={t("error.title")} />
      <LoadNotice error={error} onRetry={onRetry} />
    </div>
  );
}

/** The same within a page that is there. */
export function LoadNotice({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const known = asShopError(error);
  const retry = (
    <button class="button" type="button" onClick={onRetry}>
      {t("common.retry")}
    </button>
  );
  return (
    <Notice tone="bad" title={t("error.loadTitle")} actions={retry} alert>
      <p>{known.mayAskAgain ? errorText(known) : t("error.load")}</p>
      {known.problem?.request_id && <p class="quiet">{t("error.reference", { id: known.problem.request_id })}</p>}
    </Notice>
  );
}

export function NotFound({ text }: { text?: string }) {
  return (
    <div class="page narrow">
      <PageTitle plain={t("error.notFound")} />
      <p>{text ?? t("error.notFoundText")}</p>
      <div class="actions">
        <a class="button" href="/">
          {t("common.toShop")}
        </a>
      </div>
    </div>
  );
}
