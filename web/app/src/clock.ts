/** The server's clock, and a signal that ticks by it. */
import { signal } from "@preact/signals";
import { client } from "./client";

const TICK_MS = 250;

export function serverNow(): number {
  return client.clock.now();
}

/** The server's time in milliseconds, four times a second: what countdowns are drawn from. */
export const now = signal(serverNow());

/** Ticks now, so that what has just come is not counted from a moment ago. */
export function tick(): void {
  now.value = serverNow();
}

setInterval(tick, TICK_MS);

export function msUntil(instant: string | undefined, from: number): number {
  return instant === undefined ? 0 : Date.parse(instant) - from;
}
