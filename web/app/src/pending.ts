/**
 * Requests that must take effect exactly once: claims, checkouts, cart lines.
 *
 * The idempotency key is stored with the request until a response arrives. A reload, a second tab, a double click or a
 * broken connection therefore repeats the request with the same key, and gets the same response. Requests use the
 * WebSocket when it is open.
 */
import { newKey, Unreachable, type AnswerOf, type AskArguments, type OperationId, type Problem } from "@fusioncommerce/client";
import { asShopError } from "./api";
import { connection } from "./client";
import { forget, keep, recall } from "./storage";

/** About half a minute; then the buyer is asked whether to continue. */
const RETRY = { attempts_max: 12, first_ms: 400 };
/** After this time the server may have forgotten the key, so the browser forgets it too. */
const KEY_AGE_MAX_MS = 24 * 3600_000;

interface Pending {
  key: string;
  body: unknown;
  since: number;
}

export type WaitReason = "offline" | "overloaded" | "unknown";

/** A request without its key. `place` is its subject: there is one open request for each place. */
type OnceOptions<O extends OperationId> = Omit<NonNullable<AskArguments<O>[0]>, "key" | "retry" | "waiting"> & {
  place: string;
  /** Called if the response takes more than one attempt. */
  onWait?: (reason: WaitReason) => void;
};

/** Returns the body of a request that had no response when the page was closed. */
export function pendingBody<B>(place: string): B | undefined {
  return pendingAt(place)?.body as B | undefined;
}

export async function askOnce<O extends OperationId>(operation: O, { place, onWait, ...ask }: OnceOptions<O>): Promise<AnswerOf<O>> {
  const { key } = openQuestion(place, ask.body);
  const waiting = (why: Problem | Unreachable) => onWait?.(reasonOf(why));
  try {
    const answer = await connection.command(operation, ...([{ ...ask, key, retry: RETRY, waiting }] as unknown as AskArguments<O>));
    settle(place, key);
    return answer;
  } catch (thrown) {
    const error = asShopError(thrown);
    if (!error.mayAskAgain) settle(place, key);
    throw error;
  }
}

/** Abandons a request: the next one at this place is new. */
export function abandon(place: string): void {
  forget(`pending.${place}`);
}

function pendingAt(place: string): Pending | undefined {
  const kept = recall<Pending>(`pending.${place}`);
  return kept && Date.now() - kept.since < KEY_AGE_MAX_MS ? kept : undefined;
}

function openQuestion(place: string, body: unknown): Pending {
  const kept = pendingAt(place);
  if (kept && JSON.stringify(kept.body) === JSON.stringify(body)) return kept;
  const fresh: Pending = { key: newKey(), body, since: Date.now() };
  keep(`pending.${place}`, fresh);
  return fresh;
}

function settle(place: string, key: string): void {
  if (pendingAt(place)?.key === key) forget(`pending.${place}`);
}

function reasonOf(why: Problem | Unreachable): WaitReason {
  if (why instanceof Unreachable) return "offline";
  return why.code === "outcome_unknown" ? "unknown" : "overloaded";
}
