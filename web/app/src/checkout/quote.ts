/** The total of a payment, computed by the server before the payment. */
import { useEffect, useState } from "preact/hooks";
import { call } from "../api";
import type { Quote } from "../types";
import type { Payable } from "./checkout-flow";

export interface Quoted {
  quote?: Quote;
  error?: unknown;
  retry: () => void;
}

/**
 * Requests a quote of the goods, and again whenever they or `stale` change. The previous quote stays until the next one
 * arrives.
 */
export function useQuote(goods: Payable | undefined, stale: string): Quoted {
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
