import { useEffect, useRef } from "preact/hooks";
import { asShopError } from "../api";
import { t } from "../i18n";
import { line } from "../live";
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

/** How often is tried again what the line kept from coming, while the browser says nothing of its line. */
const AGAIN_MS = 4_000;

/** Tries again when the line is back: at once when the browser or the live connection says so, else now and then. */
function useRetry(error: unknown, onRetry: () => void): void {
  const retry = useRef(onRetry);
  retry.current = onRetry;
  const known = asShopError(error);
  const again = known.mayAskAgain || isMissingPart(error);
  useEffect(() => {
    if (!again) return;
    const go = () => {
      // Some browsers keep it for good that a part of the program did not come. Nothing is on this page that could be lost.
      if (isMissingPart(error) && navigator.onLine) window.location.reload();
      else retry.current();
    };
    const timer = window.setInterval(() => document.hidden || !navigator.onLine || retry.current(), AGAIN_MS);
    addEventListener("online", go);
    let before = line.peek();
    const stop = line.subscribe((now) => {
      if (now === "live" && before !== "live") go();
      before = now;
    });
    return () => {
      clearInterval(timer);
      removeEventListener("online", go);
      stop();
    };
  }, [again, error]);
}

/** Whether a part of the program did not arrive, which is fetched when it is first needed. */
function isMissingPart(error: unknown): boolean {
  return error instanceof TypeError && /module|import/i.test(error.message);
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
  useRetry(error, onRetry);
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
