/** A drop as its vendor follows it: its numbers as they change, its claims as they come. */
import { type Claim, type Drop, type LiveState } from "@fusioncommerce/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { read } from "../asking";
import { client, liveLine } from "../client";
import { addSample, seriesOf, type Series } from "./series";

/** Numbers that change faster than this cannot be read. */
const SHOW_MS = 250;
/** How often is asked for new claims while the drop changes. */
const CLAIMS_MS = 1000;
/** What was claimed has other states later: those that are shown are asked for again after this time. */
const CLAIMS_IDLE_MS = 10_000;
const CLAIMS_AT_ONCE = 100;
/** How far back new claims are looked for: a crowd makes more than a page of them in a second. */
const PAGES_MAX = 20;

export type WatchedDrop = Drop & { viewers?: number };

export interface LiveDrop {
  drop: WatchedDrop | undefined;
  error: unknown;
  retry: () => void;
  /** Takes what an answer says, without waiting for the live line to say the same. */
  take: (drop: Drop) => void;
  line: LiveState;
  claims: Claim[] | undefined;
  claimsError: unknown;
  series: Series;
  /** Seconds since 1970, ticking. */
  second: number;
}

const nowSecond = () => Math.floor(client.clock.now() / 1000);

export function useLiveDrop(id: string): LiveDrop {
  const [drop, setDrop] = useState<WatchedDrop>();
  const [error, setError] = useState<unknown>();
  const [line, setLine] = useState<LiveState>("connecting");
  const [claims, setClaims] = useState<Claim[]>();
  const [claimsError, setClaimsError] = useState<unknown>();
  const [second, setSecond] = useState(nowSecond);
  const [attempt, setAttempt] = useState(0);
  const take = useRef((_: Drop) => {});

  useEffect(() => {
    const series = seriesOf(id);
    const abort = new AbortController();
    const { signal } = abort;
    let newest: WatchedDrop | undefined;
    let shown: WatchedDrop | undefined;
    let known: Set<string> | undefined;
    let newClaims = 0;
    let changedAt = Infinity;
    let askedAt = -Infinity;
    let asking = false;

    const onState = (next: WatchedDrop) => {
      if (newest && next.as_of < newest.as_of) return;
      if (!newest || next.available !== newest.available || next.sold !== newest.sold || next.held !== newest.held) {
        changedAt = performance.now();
      }
      // Only the live line knows who is watching.
      newest =
        next.viewers === undefined && newest?.viewers !== undefined ? { ...next, viewers: newest.viewers } : next;
      if (!shown) show();
    };
    const show = () => {
      if (newest === shown) return;
      shown = newest;
      setDrop(newest);
    };
    take.current = (next) => {
      onState(next);
      show();
    };

    const askForClaims = async () => {
      if (asking || document.hidden) return;
      asking = true;
      askedAt = performance.now();
      try {
        let cursor: string | undefined;
        let isNew = true;
        for (let page = 0; page < PAGES_MAX && isNew; page += 1) {
          const params = { id, limit: CLAIMS_AT_ONCE, ...(cursor ? { cursor } : {}) };
          const { items, next_cursor } = await read("list_drop_claims", { params, signal });
          if (page === 0) setClaims(items);
          const before = known;
          const unknown = items.filter((claim) => !before?.has(claim.id));
          if (before) newClaims += unknown.length;
          known = new Set([...(before ?? []), ...items.map((claim) => claim.id)]);
          cursor = next_cursor ?? undefined;
          // The first look only learns what is there already.
          isNew = before !== undefined && unknown.length === items.length && cursor !== undefined;
        }
        setClaimsError(undefined);
      } catch (thrown) {
        if (!signal.aborted) setClaimsError(thrown);
      } finally {
        asking = false;
      }
    };

    setError(undefined);
    read("get_drop", { params: { id }, signal }).then(onState, (thrown: unknown) => signal.aborted || setError(thrown));
    void askForClaims();
    const offs = [
      liveLine().topic(`drop:${id}`).on({ state: onState }),
      liveLine().onStatus(({ state }) => setLine(state)),
    ];
    const painter = setInterval(show, SHOW_MS);
    const ticker = setInterval(() => {
      const tick = nowSecond();
      if (newest && newest.state !== "draft") {
        const { available, held, sold } = newest;
        addSample(series, tick, { claims: newClaims, available, held, sold });
        newClaims = 0;
      }
      setSecond(tick);
      const idle = performance.now() - askedAt;
      if ((changedAt > askedAt && changedAt < Infinity && idle >= CLAIMS_MS) || idle >= CLAIMS_IDLE_MS)
        void askForClaims();
    }, 1000);
    return () => {
      abort.abort(new Error("gone elsewhere"));
      clearInterval(painter);
      clearInterval(ticker);
      for (const off of offs) off();
    };
  }, [id, attempt]);

  return {
    drop,
    error,
    retry: () => setAttempt(attempt + 1),
    take: (next) => take.current(next),
    line,
    claims,
    claimsError,
    series: seriesOf(id),
    second,
  };
}
