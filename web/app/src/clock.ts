/** The server's clock, and a signal that follows it. */
import { signal } from "@preact/signals";
import { client } from "./client";

const TICK_MS = 250;

export function serverNow(): number {
  return client.clock.now();
}

/** The server's time in milliseconds, updated four times a second. Countdowns are drawn from it. */
export const now = signal(serverNow());

/** Updates `now` at once, so that a new deadline is not counted from an old time. */
export function tick(): void {
  now.value = serverNow();
}

setInterval(tick, TICK_MS);

export function msUntil(instant: string | undefined, from: number): number {
  return instant === undefined ? 0 : Date.parse(instant) - from;
}
