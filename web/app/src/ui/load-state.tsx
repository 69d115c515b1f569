import { useEffect, useRef } from "preact/hooks";
import { asShopError } from "../api";
import { t } from "../i18n";
import { line } from "../live";
import { Notice } from "./notice";
import { PageTitle } from "./page-title";

/** Returns a message for an error without a message specific to the page. */
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

/** The interval of retries after a network failure, while the browser reports no change of its network. */
const AGAIN_MS = 4_000;

/**
 * Retries when the connection is back: at once when the browser or the real-time connection reports it, otherwise at
 * intervals.
 */
function useRetry(error: unknown, onRetry: () => void): void {
  const retry = useRef(onRetry);
  retry.current = onRetry;
  const known = asShopError(error);
  const again = known.mayAskAgain || isMissingPart(error);
  useEffect(() => {
    if (!again) return;
    const go = () => {
      // Some browsers cache a failed import of a module permanently, so the page is reloaded. It has no unsaved input.
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

/** Returns whether a module that is loaded on first use did not arrive. */
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

/** The same notice within a loaded page. */
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
