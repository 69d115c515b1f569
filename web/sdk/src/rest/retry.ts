// Retries, where they are safe: if nothing has happened, or if the same key prevents a second execution.

import { pause, pauseOrOnline, waitBefore, type Backoff } from '../backoff.js';
import { Unreachable, type Problem } from '../problem.js';
import type { Attempt } from './attempt.js';

/** The number of attempts, and the waits between them. */
export interface RetryPolicy extends Backoff {
  /** The maximum number of attempts. */
  readonly attempts_max: number;
  /** If `Retry-After` is longer than this, the problem is thrown instead of waiting. */
  readonly retry_after_ms_max: number;
}

/** Five attempts within some seconds: about as long as people wait patiently. */
export const RETRY_DEFAULTS: RetryPolicy = {
  attempts_max: 5,
  first_ms: 200,
  longest_ms: 4_000,
  retry_after_ms_max: 10_000,
};

/**
 * Makes attempts until the shop responds. A definite refusal is thrown at once. `repeatable` means that repeating a
 * request whose outcome is unknown is safe: it has a key, or is idempotent.
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
    const requested_ms = 'retry_after_ms' in error ? (error.retry_after_ms ?? 0) : 0;
    const last = nth + 1 >= policy.attempts_max || requested_ms > policy.retry_after_ms_max;
    if (last || (made.kind === 'unknown' && !repeatable)) throw error;
    const ms = requested_ms + waitBefore(nth, policy);
    waiting?.(error, ms);
    // After a network failure it is worth retrying as soon as the browser is online. A wait that the shop requested is
    // kept in full.
    if (error instanceof Unreachable) await pauseOrOnline(ms, signal);
    else await pause(ms, signal);
  }
}
