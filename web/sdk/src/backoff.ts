// Exponential backoff with jitter.

/** The bounds of the waits. */
export interface Backoff {
  /** The upper bound of the wait before the first retry. */
  readonly first_ms: number;
  /** The upper bound of every wait. */
  readonly longest_ms: number;
}

/**
 * Returns the wait before retry `nth` (counted from 0): a random time up to an exponentially growing bound, and at
 * least half of the bound, so that clients that were disconnected together do not reconnect together.
 */
export function waitBefore(nth: number, { first_ms, longest_ms }: Backoff, random: () => number = Math.random): number {
  const bound = Math.min(longest_ms, first_ms * 2 ** Math.min(nth, 30));
  return bound / 2 + (bound / 2) * random();
}

/** Waits. Rejects with the signal's reason if the signal is aborted first. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** Waits, or returns early when the browser reports that it is online again. */
export async function pauseOrOnline(ms: number, signal?: AbortSignal): Promise<void> {
  const either = new AbortController();
  const end = () => either.abort();
  globalThis.addEventListener?.('online', end);
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted) end();
  try {
    await pause(ms, either.signal).catch(() => undefined);
  } finally {
    globalThis.removeEventListener?.('online', end);
    signal?.removeEventListener('abort', end);
  }
  signal?.throwIfAborted();
}
