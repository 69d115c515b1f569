/** What a payment comes to, as the server computes it, before it is made. */
import { useEffect, useState } from "preact/hooks";
import { call } from "../api";
import type { Quote } from "../types";
import type { Goods } from "./checkout-desk";

export interface Quoted {
  quote?: Quote;
  error?: unknown;
  retry: () => void;
}

/** Prices goods, and again whenever they, or what `stale` says, change. The last quote stays until the next is there. */
export function useQuote(goods: Goods | undefined, stale: string): Quoted {
  const [answer, setAnswer] = useState<Omit<Quoted, "retry">>({});
  const [attempt, setAttempt] = useState(0);
  const key = goods ? JSON.stringify(goods) : "";
  useEffect(() => {
    if (!goods) return;
    let isCurrent = true;
    call("quote_checkout", { body: goods })
      .then((quote) => isCurrent && setAnswer({ quote }))
      .catch((error: unknown) => isCurrent && setAnswer((before) => ({ ...before, error })));
    return () => {
      isCurrent = false;
    };
  }, [key, stale, attempt]);
  return { ...answer, retry: () => setAttempt((count) => count + 1) };
}
