/** The server's clock, and a signal that ticks by it. */
import { signal } from "@preact/signals";

/** A sample is replaced by one with a shorter round trip, or after this time. */
const SAMPLE_AGE_MAX_MS = 60_000;
const TICK_MS = 250;

let offsetMs = 0;
let best = { roundTripMs: Infinity, at: -Infinity };

export function serverNow(): number {
  return Date.now() + offsetMs;
}

/** The server said `serverMs` in an answer to what was asked at `askedAt` and arrived now (both `performance.now()`). */
export function learnServerTime(serverMs: number, askedAt: number): void {
  const arrived = performance.now();
  const roundTripMs = arrived - askedAt;
  if (!Number.isFinite(serverMs)) return;
  if (roundTripMs > best.roundTripMs && arrived - best.at < SAMPLE_AGE_MAX_MS) return;
  best = { roundTripMs, at: arrived };
  offsetMs = serverMs + roundTripMs / 2 - Date.now();
}

/** The server's time in milliseconds, four times a second: what countdowns are drawn from. */
export const now = signal(serverNow());
setInterval(() => {
  now.value = serverNow();
}, TICK_MS);

export function msUntil(instant: string | undefined, from: number): number {
  return instant === undefined ? 0 : Date.parse(instant) - from;
}
