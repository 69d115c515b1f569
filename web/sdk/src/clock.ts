// An estimate of the server's clock.

/** The assumed drift between two clocks: 0.05 %, far more than that of quartz. */
const DRIFT = 0.0005;

/**
 * Estimates the time of the server. Countdowns use it, so that a wrong local clock does not show wrong times.
 *
 * Each response bounds the offset between the clocks: the server wrote its time after the request was sent and before
 * the response arrived. The bounds of several responses are intersected; if they contradict each other (a clock was
 * set), the newest counts.
 */
export class ServerClock {
  readonly #local: () => number;
  #low = -Infinity;
  #high = Infinity;
  #seen_at = 0;

  constructor(local: () => number = Date.now) {
    this.#local = local;
  }

  /** The server's time in milliseconds since 1970. The local time until the first response. */
  now(): number {
    return this.#local() + this.offset_ms;
  }

  /** The offset of the server's clock from the local clock. */
  get offset_ms(): number {
    return Number.isFinite(this.#low) ? Math.round((this.#low + this.#high) / 2) : 0;
  }

  /** The maximum error of `now`. Infinite until the first response. */
  get uncertainty_ms(): number {
    return (this.#high - this.#low) / 2;
  }

  /** Returns the milliseconds until a server time, in the format of the API; 0 if it has passed. */
  until(time: string | number): number {
    const at = typeof time === 'number' ? time : Date.parse(time);
    return Math.max(0, at - this.now());
  }

  /** The local time, for `observe`. */
  local(): number {
    return this.#local();
  }

  /** Records a time that the server wrote between two local times, exact to `precision_ms`. */
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

  /** Records the `Date` header of a response, which is truncated to whole seconds. A cached response is ignored. */
  observeHeaders(headers: Headers, asked_at: number): void {
    const date = headers.get('date');
    if (date === null || headers.has('age')) return;
    this.observe(Date.parse(date), asked_at, this.#local(), 1000);
  }
}
