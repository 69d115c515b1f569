import type { ComponentChildren } from "preact";
import { Notice } from "../../ui/notice";
import { LoadTrouble } from "../problems";
import { ct } from "../words";
import type { Pages } from "./use-pages";

interface Props<T> {
  pages: Pages<T>;
  /** Renders the loaded items. */
  children: (items: T[]) => ComponentChildren;
  /** Shown if the list is empty: the reason, and the next step. */
  empty: { title: string; text?: string; actions?: ComponentChildren };
}

/** A list in each of its states: loading, failed, empty, loaded. */
export function ListState<T>({ pages, children, empty }: Props<T>) {
  const { items, error, isMore, isLoading, more, retry } = pages;
  if (!items) {
    return error === undefined ? <Waiting /> : <LoadTrouble error={error} onRetry={retry} />;
  }
  return (
    <>
      {items.length === 0 ? (
        <Notice title={empty.title} actions={empty.actions}>
          {empty.text}
        </Notice>
      ) : (
        children(items)
      )}
      {error !== undefined && <LoadTrouble error={error} onRetry={retry} />}
      {isMore && error === undefined && (
        <div class="list-more">
          <button class="button second" type="button" aria-disabled={isLoading} onClick={() => isLoading || more()}>
            {isLoading ? ct("common.loading") : ct("common.more")}
          </button>
        </div>
      )}
    </>
  );
}

/** Placeholder rows, so that the page does not jump when the rows arrive. */
export function Waiting({ rows = 6 }: { rows?: number }) {
  return (
    <div class="waiting" aria-busy="true">
      <p class="unseen">{ct("common.loading")}</p>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} class="skeleton" />
      ))}
    </div>
  );
}
