/** Error messages for vendors. */
import { isUnknown, Problem } from "@fusioncommerce/client";
import type { ComponentChildren } from "preact";
import { money } from "../i18n";
import { Notice } from "../ui/notice";
import { wholeNumber } from "./format";
import { ct, ctn } from "./words";

/** Returns one or two sentences: what happened, and what to do about it. */
export function problemText(thrown: unknown): string {
  if (isUnknown(thrown)) return ct("problem.unknown");
  if (!(thrown instanceof Problem)) return ct("problem.internal");
  const { document } = thrown;
  switch (document.code) {
    case "insufficient_stock":
      return ctn("problem.insufficientStock", document.available, { sku: document.sku });
    case "insufficient_available":
      return ctn("problem.insufficientAvailable", document.available);
    case "unexpected_level":
      return ctn("problem.unexpectedLevel", document.on_hand);
    case "refund_too_large":
      return ct("problem.refundTooLarge", { amount: money(document.refundable) });
    case "refund_failed":
      return ct("problem.refundFailed");
    case "stale_version":
      return ct("problem.stale", { version: wholeNumber(document.version) });
    case "sku_taken":
      return ct("problem.skuTaken", { sku: document.sku ?? "" });
    case "handle_taken":
      return ct("problem.handleTaken");
    case "not_allowed":
      return ct("problem.notAllowed", { detail: document.detail });
    case "ended":
      return ct("problem.ended");
    case "busy":
    case "overloaded":
    case "unavailable":
    case "parked":
      return ct("problem.busy");
    case "rate_limited":
      return ct("problem.rateLimited");
    case "limit_exceeded":
      return ct("problem.limit", { detail: document.detail });
    case "body_too_large":
      return ct("problem.tooLarge");
    case "forbidden":
      return ct("problem.forbidden");
    case "not_found":
      return ct("problem.notFound");
    case "authentication_required":
    case "invalid_token":
    case "invalid_refresh_token":
      return ct("problem.session");
    case "invalid_request":
    case "out_of_range":
      return document.errors?.length ? ct("problem.fields") : document.detail;
    case "internal":
      return ct("problem.internal");
    default:
      return document.detail;
  }
}

interface Props {
  error: unknown;
  title?: string;
  onRetry?: (() => void) | undefined;
  /** Whether the field of a pointer shows its own error; the other errors are listed here. */
  shown?: (pointer: string) => boolean;
  children?: ComponentChildren;
}

/** An error notice, with the server's errors of fields that the page does not show. */
export function Trouble({ error, title, onRetry, shown, children }: Props) {
  const problem = error instanceof Problem ? error : undefined;
  const others = problem?.errors.filter(({ pointer }) => !shown?.(pointer)) ?? [];
  const retry = onRetry && (
    <button class="button second" type="button" onClick={onRetry}>
      {ct("common.retry")}
    </button>
  );
  return (
    <Notice tone="bad" title={title ?? ct("problem.title")} actions={retry} alert>
      <p>{problemText(error)}</p>
      {others.length > 0 && (
        <ul class="trouble-fields">
          {others.map(({ pointer, detail }) => (
            <li key={pointer + detail}>
              <code>{pointer}</code> {detail}
            </li>
          ))}
        </ul>
      )}
      {children}
      {problem?.request_id && problem.status >= 500 && (
        <p class="quiet small">{ct("problem.reference", { id: problem.request_id })}</p>
      )}
    </Notice>
  );
}

/** Shown instead of a list that could not be read. */
export function LoadTrouble({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  return <Trouble error={error} title={ct("problem.load")} onRetry={onRetry} />;
}
