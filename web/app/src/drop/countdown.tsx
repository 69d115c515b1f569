import { msUntil, now } from "../clock";
import { number, tn, type PluralKey } from "../i18n";

const SECOND_MS = 1000;
const NEAR_MS = 60_000;

interface Props {
  until: string;
  /** Whether to show one line of digits instead of boxes. */
  short?: boolean;
}

/**
 * The remaining time, on the server's clock. It is not announced to screen readers; the pages announce milestones,
 * whose meaning they know.
 */
export function Countdown({ until, short = false }: Props) {
  const leftMs = Math.max(0, msUntil(until, now.value));
  if (short) return <span class="digits">{shortLeft(leftMs)}</span>;
  const parts = split(leftMs);
  return (
    <div class={leftMs < NEAR_MS ? "countdown near" : "countdown"} role="timer" aria-live="off">
      {parts.map(([unit, value]) => (
        <div key={unit} class="countdown-part">
          <b>{String(value).padStart(2, "0")}</b>
          <small>{tn(unit, value)}</small>
        </div>
      ))}
    </div>
  );
}

/** `4:07`, or `26:04:07`. */
export function shortLeft(leftMs: number): string {
  const seconds = Math.ceil(leftMs / SECOND_MS);
  const pad = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = `${hours > 0 ? pad(minutes) : minutes}:${pad(seconds % 60)}`;
  return hours > 0 ? `${number(hours)}:${rest}` : rest;
}

function split(leftMs: number): [PluralKey, number][] {
  const seconds = Math.ceil(leftMs / SECOND_MS);
  const days = Math.floor(seconds / 86_400);
  const clock: [PluralKey, number][] = [
    ["drop.hours", Math.floor(seconds / 3600) % 24],
    ["drop.minutes", Math.floor(seconds / 60) % 60],
    ["drop.seconds", seconds % 60],
  ];
  return days > 0 ? [["drop.days", days], ...clock] : clock;
}
