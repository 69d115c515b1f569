import { useEffect, useState } from "preact/hooks";
import type { ShopError } from "../api";
import { msUntil, serverNow } from "../clock";
import { t } from "../i18n";
import { line, watch } from "../live";
import type { Drop } from "../types";
import { announce } from "../ui/announcer";
import { usePictures, describeSku } from "../shop/catalogue";
import { phaseOf } from "./phase";

const LOOK_MIN_MS = 300;
const LOOK_MAX_MS = 5000;
/** How often a drop is looked at beside an open socket, in case it says less than it should. */
const LOOK_BESIDE_MS = 5000;

/** How long until the next look, in milliseconds: often where a second decides. */
function pauseMs(drop: Drop): number {
  switch (phaseOf(drop, serverNow())) {
    case "opening":
      return LOOK_MIN_MS;
    case "scheduled":
      // The last look before the opening is timed to come just after it.
      return Math.min(LOOK_MAX_MS, Math.max(LOOK_MIN_MS, msUntil(drop.starts_at, serverNow()) + 50));
    case "open":
    case "may_return":
      return 1000;
    default:
      return 8000;
  }
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
    let newest: Drop | undefined;
    let isLive = false;
    let ended = false;
    const ends: (() => void)[] = [];
    const onState = (next: Drop) => {
      // What was asked for may arrive behind what was told.
      if (ended || (newest && next.as_of < newest.as_of)) return;
      const before = newest?.state;
      const viewers = next.viewers ?? (isLive ? newest?.viewers : undefined);
      newest = viewers === undefined ? next : { ...next, viewers };
      setDrop(newest);
      if (before === "scheduled" && next.state === "open") announce(t("milestone.open"));
      if (before === "open" && next.state === "sold_out") announce(t("milestone.soldOut"));
    };
    const onLive = (open: boolean) => {
      if (isLive !== open && line.value !== "offline") line.value = open ? "live" : "reconnecting";
      isLive = open;
    };
    setError(undefined);
    ends.push(
      watch<Drop>("get_drop", {
        params: { id },
        everyMs: (state) => (isLive ? LOOK_BESIDE_MS : pauseMs(state)),
        onRefused: setError,
        onState,
      }),
    );
    // The socket comes second: the page does not wait for it, and works without.
    import("../live-drop").then(
      ({ followDrop }) => {
        if (!ended) ends.push(followDrop(id, { onState, onLive }));
      },
      () => undefined,
    );
    return () => {
      ended = true;
      for (const end of ends) end();
    };
  }, [id, attempt]);
  usePictures([drop?.product_id]);
  return {
    drop,
    error,
    retry: () => setAttempt(attempt + 1),
    nameOf: (sku) => describeSku(drop?.product_id, sku).variant ?? sku,
  };
}
