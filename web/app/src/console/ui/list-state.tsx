import type { ComponentChildren } from "preact";
import { Notice } from "../../ui/notice";
import { LoadTrouble } from "../problems";
import { ct } from "../words";
import type { Pages } from "./use-pages";

interface Props<T> {
  pages: Pages<T>;
  /** What is shown once there is something. */
  children: (items: T[]) => ComponentChildren;
  /** The list is empty: why, and what to do next. */
  empty: { title: string; text?: string; actions?: ComponentChildren };
}

/** A list in each of its states: on its way, refused, empty, and there. */
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

/** Rows to come, so that the page does not jump when they do. */
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
