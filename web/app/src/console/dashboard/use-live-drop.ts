/** A drop as its vendor follows it: its numbers as they change, its claims as they come, and how it went until now. */
import { type Claim, type Drop, type LiveState } from "@fusioncommerce/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { read } from "../asking";
import { client, liveLine } from "../client";
import { joined, pointOf, type Point } from "./series";

/** Numbers that change faster than this cannot be read. */
const SHOW_MS = 250;
/** How often the newest claims and points are asked for while the drop changes. */
const ASK_MS = 1000;
/** What was claimed has other states later: those that are shown are asked for again after this time. */
const IDLE_MS = 10_000;
const CLAIMS_SHOWN = 15;
/** The most answers that a series is read in: 20,000 points are more than the server keeps of a drop of a month. */
const PARTS_MAX = 20;

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
  /** Until they are read: nothing. */
  points: Point[] | undefined;
  pointsError: unknown;
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
  const [points, setPoints] = useState<Point[]>();
  const [pointsError, setPointsError] = useState<unknown>();
  const [second, setSecond] = useState(nowSecond);
  const [attempt, setAttempt] = useState(0);
  const take = useRef((_: Drop) => {});

  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    let newest: WatchedDrop | undefined;
    let shown: WatchedDrop | undefined;
    let changedAt = Infinity;
    let series: Point[] = [];

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

    const askForClaims = asker(signal, setClaimsError, async () => {
      const { items } = await read("list_drop_claims", { params: { id, limit: CLAIMS_SHOWN }, signal });
      setClaims(items);
    });
    const askForPoints = asker(signal, setPointsError, async () => {
      // From the last point on, which may have grown: what comes takes the place of what was known.
      const last = series.at(-1);
      let from = last && new Date(last.at * 1000).toISOString();
      for (let part = 0; part < PARTS_MAX; part += 1) {
        const answer = await read("get_drop_series", { params: { id, ...(from ? { from } : {}) }, signal });
        series = joined(series, answer.points.map(pointOf));
        if (answer.next === null) break;
        from = answer.next;
      }
      setPoints(series);
    });
    /** Whether the drop has numbers that the series does not have yet. */
    const isBehind = () => {
      if (!newest || newest.state === "draft") return false;
      const { held, soldTotal, viewers } = series.at(-1) ?? { held: 0, soldTotal: 0, viewers: undefined };
      const isCounted = newest.state === "open" || newest.state === "sold_out";
      const hasViewers = isCounted && newest.viewers !== undefined && newest.viewers !== viewers;
      return held !== newest.held || soldTotal !== newest.sold || hasViewers;
    };

    setError(undefined);
    read("get_drop", { params: { id }, signal }).then(onState, (thrown: unknown) => signal.aborted || setError(thrown));
    askForClaims.now();
    askForPoints.now();
    const offs = [
      liveLine().topic(`drop:${id}`).on({ state: onState }),
      liveLine().onStatus(({ state }) => setLine(state)),
    ];
    const painter = setInterval(show, SHOW_MS);
    const ticker = setInterval(() => {
      setSecond(nowSecond());
      const hasChanged = (since: number) => changedAt > since && changedAt < Infinity;
      if (askForClaims.isDue(hasChanged(askForClaims.at()))) askForClaims.now();
      if (askForPoints.isDue(hasChanged(askForPoints.at()) || isBehind())) askForPoints.now();
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
    points,
    pointsError,
    second,
  };
}

/** Asks one question at a time, and none while nobody looks. */
function asker(signal: AbortSignal, onError: (error: unknown) => void, ask: () => Promise<void>) {
  let askedAt = -Infinity;
  let asking = false;
  const run = async () => {
    if (asking || document.hidden) return;
    asking = true;
    askedAt = performance.now();
    try {
      await ask();
      onError(undefined);
    } catch (thrown) {
      if (!signal.aborted) onError(thrown);
    } finally {
      asking = false;
    }
  };
  return {
    at: () => askedAt,
    now: () => void run(),
    isDue: (isWanted: boolean) => {
      const idle = performance.now() - askedAt;
      return (isWanted && idle >= ASK_MS) || idle >= IDLE_MS;
    },
  };
}
