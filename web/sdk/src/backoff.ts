// Waiting, for longer each time, and not all at once.

/** How long waits are. */
export interface Backoff {
  /** The longest wait before the first repetition. */
  readonly first_ms: number;
  /** No wait is longer. */
  readonly longest_ms: number;
}

/**
 * The wait before repetition `nth` (from 0 on): a random time up to an exponentially growing bound, and at least half of
 * it, so that those who were cut together do not come back together.
 */
export function waitBefore(nth: number, { first_ms, longest_ms }: Backoff, random: () => number = Math.random): number {
  const bound = Math.min(longest_ms, first_ms * 2 ** Math.min(nth, 30));
  return bound / 2 + (bound / 2) * random();
}

/** Waits. Rejects with the signal's reason when it is aborted before. */
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

/** Waits, but no longer than until the browser says that it is on line again. */
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
