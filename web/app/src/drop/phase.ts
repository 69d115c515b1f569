/** The phase of a drop, as a buyer sees it. */
import { msUntil } from "../clock";
import type { Drop, DropItem } from "../types";

export type Phase =
  | "scheduled"
  /** Its start has passed, but the server has not reported the opening yet. */
  | "opening"
  | "open"
  /** Nothing to claim, but held units may return. */
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

export type ItemState = "waiting" | "available" | "all_held" | "sold_out" | "closed";

export function itemStateOf(item: DropItem, phase: Phase): ItemState {
  if (phase === "scheduled" || phase === "opening") return "waiting";
  if (phase === "ended" || phase === "cancelled") return "closed";
  if (item.available > 0) return "available";
  return item.held > 0 ? "all_held" : "sold_out";
}

/** At or below this number, the remaining units are shown in the warning colour. */
export const FEW = 5;
