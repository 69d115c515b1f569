// Asking again, where that is right: when nothing happened, or when the same key makes it happen once.

import { pause, pauseOrOnline, waitBefore, type Backoff } from '../backoff.js';
import { Unreachable, type Problem } from '../problem.js';
import type { Attempt } from './attempt.js';

/** How often is asked, and how long is waited in between. */
export interface RetryPolicy extends Backoff {
  /** Attempts in all. */
  readonly attempts_max: number;
  /** A `Retry-After` beyond this is told instead of waited for. */
  readonly retry_after_ms_max: number;
}

/** Five attempts within some seconds: as long as people wait before they ask what is going on. */
export const RETRY_DEFAULTS: RetryPolicy = {
  attempts_max: 5,
  first_ms: 200,
  longest_ms: 4_000,
  retry_after_ms_max: 10_000,
};

/**
 * Attempts until there is an answer. A definite refusal is thrown at once, whatever it is. `repeatable` says that a
 * repetition of what may have happened already changes nothing: it has a key, or changes nothing by itself.
 */
export async function untilAnswered(
  make: () => Promise<Attempt>,
  repeatable: boolean,
  policy: RetryPolicy,
  signal?: AbortSignal,
  waiting?: (why: Problem | Unreachable, ms: number) => void,
): Promise<Attempt & { kind: 'answered' }> {
  for (let nth = 0; ; nth++) {
    const made = await make();
    if (made.kind === 'answered') return made;
    if (made.kind === 'refused') throw made.problem;
    const error = made.kind === 'not_now' ? made.problem : made.error;
    const asked = 'retry_after_ms' in error ? (error.retry_after_ms ?? 0) : 0;
    const last = nth + 1 >= policy.attempts_max || asked > policy.retry_after_ms_max;
    if (last || (made.kind === 'unknown' && !repeatable)) throw error;
    const ms = asked + waitBefore(nth, policy);
    waiting?.(error, ms);
    // What the network did not carry is worth a try as soon as it is back; what the shop asks for is kept.
    if (error instanceof Unreachable) await pauseOrOnline(ms, signal);
    else await pause(ms, signal);
  }
}
