/** Follows a drop for its vendor: current numbers, new claims, and the series so far. */
import { type Claim, type Drop, type LiveState } from "@fusioncommerce/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { read } from "../asking";
import { client, liveLine } from "../client";
import { joined, pointOf, type Point } from "./series";

/** The shortest interval between updates; faster changes cannot be read. */
const SHOW_MS = 250;
/** The interval at which the newest claims and points are read while the drop changes. */
const ASK_MS = 1000;
/** Claims change their state later: the visible ones are read again after this time. */
const IDLE_MS = 10_000;
const CLAIMS_SHOWN = 15;
/**
 * The maximum age, in seconds, of the points that are read again. Viewers are counted at once and claims are projected
 * later, so the last point may be of a second whose predecessors are not complete. The lists are behind by milliseconds,
 * or by seconds in a rush.
 */
const INCOMPLETE_SECONDS_MAX = 60;
/** The maximum number of pages of a series: 20,000 points are more than the server keeps of a drop of one month. */
const PARTS_MAX = 20;

export type WatchedDrop = Drop & { viewers?: number };

export interface LiveDrop {
  drop: WatchedDrop | undefined;
  error: unknown;
  retry: () => void;
  /** Applies the drop of a response, without waiting for the real-time connection. */
  take: (drop: Drop) => void;
  line: LiveState;
  claims: Claim[] | undefined;
  claimsError: unknown;
  /** `undefined` until they are read. */
  points: Point[] | undefined;
  pointsError: unknown;
  /** The current time in seconds since 1970. */
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
    /** The second before which the series is complete. */
    let completeAt = -Infinity;

    const onState = (next: WatchedDrop) => {
      if (newest && next.as_of < newest.as_of) return;
      if (!newest || next.available !== newest.available || next.sold !== newest.sold || next.held !== newest.held) {
        changedAt = performance.now();
      }
      // Only the real-time connection knows the number of viewers.
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
      // From the first point on that may have grown: the response replaces the known points.
      const last = series.at(-1);
      const since = last && Math.min(last.at, Math.max(completeAt, last.at - INCOMPLETE_SECONDS_MAX));
      let from = since && new Date(since * 1000).toISOString();
      for (let part = 0; part < PARTS_MAX; part += 1) {
        const answer = await read("get_drop_series", { params: { id, ...(from ? { from } : {}) }, signal });
        series = joined(series, answer.points.map(pointOf));
        if (answer.next === null) {
          completeAt = Math.floor(Date.parse(answer.as_of) / 1000);
          break;
        }
        from = answer.next;
      }
      setPoints(series);
    });
    /** Returns whether the drop has numbers that are not in the series yet. */
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
      abort.abort(new Error("navigated away"));
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

/** Runs one request at a time, and none while the page is hidden. */
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
