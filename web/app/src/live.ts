/** What changes by itself: drops, checkouts and orders, as they are now on the server. */
import { signal } from "@preact/signals";
import { asShopError, call, type Operation, type ShopError } from "./api";

export type Line = "live" | "reconnecting" | "offline";

/** How the shop hears from the server. `reconnecting` only after the line was lost. */
export const line = signal<Line>(navigator.onLine ? "live" : "offline");

const WAIT_MAX_MS = 10_000;

addEventListener("offline", () => {
  line.value = "offline";
});
addEventListener("online", () => {
  if (line.value === "offline") line.value = "reconnecting";
});

export interface Watch<T> {
  params: Record<string, string>;
  onState: (state: T) => void;
  /** A refusal, after which nothing more comes. */
  onRefused?: (error: ShopError) => void;
  /** How long to the next look, by the state seen. 0 ends the watch. */
  everyMs: (state: T) => number;
}

/**
 * Calls back with the state now and whenever it was looked at again; the returned function ends it.
 * A hidden page does not look; it does at once when it is seen again, or when the line is back.
 */
export function watch<T>(operation: Operation, { params, onState, onRefused, everyMs }: Watch<T>): () => void {
  let ended = false;
  let timer = 0;
  let failures = 0;
  let looking = false;
  const abort = new AbortController();

  const look = async () => {
    clearTimeout(timer);
    if (ended || looking || document.hidden) return;
    looking = true;
    let next = 0;
    try {
      const state = (await call(operation, { params, signal: abort.signal })) as T;
      if (ended) return;
      failures = 0;
      line.value = "live";
      onState(state);
      next = everyMs(state);
      if (next === 0) return;
    } catch (thrown) {
      if (ended) return;
      const error = asShopError(thrown);
      if (!error.mayAskAgain) {
        onRefused?.(error);
        return;
      }
      failures += 1;
      if (error.code === "network") line.value = navigator.onLine ? "reconnecting" : "offline";
      const backOff = Math.min(WAIT_MAX_MS, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
      next = Math.max(error.retryAfterMs ?? 0, backOff);
    } finally {
      looking = false;
    }
    if (!ended) timer = window.setTimeout(look, next);
  };

  const again = () => void look();
  document.addEventListener("visibilitychange", again);
  addEventListener("online", again);
  void look();
  return () => {
    ended = true;
    abort.abort();
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", again);
    removeEventListener("online", again);
  };
}
