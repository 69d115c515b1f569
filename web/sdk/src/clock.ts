// The server's clock, as far as it can be known from here.

/** How much two clocks may drift apart: 0.05 %, much more than quartz does. */
const DRIFT = 0.0005;

/**
 * What time it is at the server: countdowns run on it, so that a wrong local clock shows no wrong times.
 *
 * Each answer bounds how far the clocks are apart: the server wrote its time after we asked and before we heard. The
 * bounds of several answers are intersected; when they contradict each other (a clock was set), the newest counts.
 */
export class ServerClock {
  readonly #local: () => number;
  #low = -Infinity;
  #high = Infinity;
  #seen_at = 0;

  constructor(local: () => number = Date.now) {
    this.#local = local;
  }

  /** Milliseconds since 1970 at the server. The local time until something is known. */
  now(): number {
    return this.#local() + this.offset_ms;
  }

  /** How far the server's clock is ahead of ours. */
  get offset_ms(): number {
    return Number.isFinite(this.#low) ? Math.round((this.#low + this.#high) / 2) : 0;
  }

  /** How far off `now` may be. Infinite until something is known. */
  get uncertainty_ms(): number {
    return (this.#high - this.#low) / 2;
  }

  /** Milliseconds until a time of the server's, given as the API gives it; 0 when it has passed. */
  until(time: string | number): number {
    const at = typeof time === 'number' ? time : Date.parse(time);
    return Math.max(0, at - this.now());
  }

  /** The local time, for `observe`. */
  local(): number {
    return this.#local();
  }

  /** Takes in a time that the server wrote between two local times, exact to `precision_ms`. */
  observe(server_ms: number, asked_at: number, heard_at: number, precision_ms = 1): void {
    if (!Number.isFinite(server_ms) || heard_at < asked_at) return;
    const [low, high] = [server_ms - heard_at, server_ms + precision_ms - asked_at];
    const slack = Math.max(0, heard_at - this.#seen_at) * DRIFT;
    const [known_low, known_high] = [this.#low - slack, this.#high + slack];
    const agrees = low <= known_high && high >= known_low;
    this.#low = agrees ? Math.max(low, known_low) : low;
    this.#high = agrees ? Math.min(high, known_high) : high;
    this.#seen_at = heard_at;
  }

  /** Takes in the `Date` of an answer: whole seconds, cut off. An answer out of a cache says nothing. */
  observeHeaders(headers: Headers, asked_at: number): void {
    const date = headers.get('date');
    if (date === null || headers.has('age')) return;
    this.observe(Date.parse(date), asked_at, this.#local(), 1000);
  }
}
