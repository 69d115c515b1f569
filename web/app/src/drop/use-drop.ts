import { useEffect, useState } from "preact/hooks";
import { call, type ShopError } from "../api";
import { msUntil, serverNow } from "../clock";
import { t } from "../i18n";
import { follow } from "../live";
import type { Drop } from "../types";
import { announce } from "../ui/announcer";
import { nameItem, usePictures } from "../shop/catalogue";
import { takeFirst } from "./first-read";

/** The delay after which a drop that has not been reported as opened or ended is requested, spread over all clients. */
const LATE_MS = 300;
const LATE_SPREAD_MS = 700;
/** The longest delay of a browser's timer. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Returns the time of the drop's next scheduled change. */
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

/** Returns the current state of a drop and the names of its items. */
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
      // A response may arrive after a newer update of the topic.
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
