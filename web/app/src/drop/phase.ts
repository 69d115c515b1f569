/** How a drop stands for a buyer. */
import { msUntil } from "../clock";
import type { Drop, DropItem } from "../types";

export type Phase =
  | "scheduled"
  /** Its time has come, and the server has not said so yet. */
  | "opening"
  | "open"
  /** Nothing to claim, but somebody's hold may come back. */
  | "may_return"
  | "sold_out"
  | "ended"
  | "cancelled";

export function phaseOf(drop: Drop, now: number): Phase {
  switch (drop.state) {
    case "draft":
    case "scheduled":
      return msUntil(drop.starts_at, now) > 0 ? "scheduled" : "opening";
    case "open":
      if (drop.available > 0) return "open";
      return drop.held > 0 ? "may_return" : "sold_out";
    default:
      return drop.state;
  }
}

export type ItemState = "waiting" | "available" | "all_held" | "gone" | "closed";

export function itemStateOf(item: DropItem, phase: Phase): ItemState {
  if (phase === "scheduled" || phase === "opening") return "waiting";
  if (phase === "ended" || phase === "cancelled") return "closed";
  if (item.available > 0) return "available";
  return item.held > 0 ? "all_held" : "gone";
}

/** At or below this many left the number is shown in the colour of haste. */
export const FEW = 5;
