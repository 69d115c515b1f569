import { useEffect, useState } from "preact/hooks";
import { call, type ShopError } from "../api";
import { msUntil, serverNow } from "../clock";
import { t } from "../i18n";
import { follow } from "../live";
import type { Drop } from "../types";
import { announce } from "../ui/announcer";
import { nameItem, usePictures } from "../shop/catalogue";
import { takeFirst } from "./first-read";

/** A drop that has not been told to have opened or ended so long after its time is asked for; not by all at once. */
const LATE_MS = 300;
const LATE_SPREAD_MS = 700;
/** What a browser's timer can wait for. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** When the drop will be another by itself. */
function turnOf({ state, starts_at, ends_at }: Drop): string | undefined {
  if (state === "scheduled") return starts_at;
  return state === "open" || state === "sold_out" ? ends_at : undefined;
}

function waitAfter(turn: string): number {
  return Math.max(0, msUntil(turn, serverNow())) + LATE_MS + LATE_SPREAD_MS * Math.random();
}

export interface LiveDrop {
  drop: Drop | undefined;
  error: ShopError | undefined;
  retry: () => void;
  nameOf: (sku: string) => string;
}

/** A drop as it is now, and by what name its items are called. */
export function useDrop(id: string): LiveDrop {
  const [drop, setDrop] = useState<Drop>();
  const [error, setError] = useState<ShopError>();
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let timer = 0;
    let newest: Drop | undefined;
    setError(undefined);
    const read = () => takeFirst(id) ?? call("get_drop", { params: { id } });
    const onState = (next: Drop) => {
      // What was asked for may arrive behind what was told.
      if (newest && next.as_of < newest.as_of) return;
      const before = newest?.state;
      const viewers = next.viewers ?? newest?.viewers;
      newest = viewers === undefined ? next : { ...next, viewers };
      setDrop(newest);
      if (before === "scheduled" && next.state === "open") announce(t("milestone.open"));
      if (before === "open" && next.state === "sold_out") announce(t("milestone.soldOut"));
      clearTimeout(timer);
      const turn = turnOf(next);
      if (turn !== undefined) timer = window.setTimeout(() => void askAtTurn(), Math.min(TIMER_MS_MAX, waitAfter(turn)));
    };
    const askAtTurn = async () => {
      const state = await read().catch(() => newest);
      if (state && !ended) onState(state);
    };
    let ended = false;
    const stop = follow({ topic: `drop:${id}`, read, onRefused: setError, onState });
    return () => {
      ended = true;
      clearTimeout(timer);
      stop();
    };
  }, [id, attempt]);
  usePictures([drop?.product_id]);
  return {
    drop,
    error,
    retry: () => setAttempt(attempt + 1),
    nameOf: (sku) => (drop ? nameItem(drop, sku) : ""),
  };
}
