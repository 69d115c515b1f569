/**
 * Questions that must be answered exactly once: claims, checkouts, cart lines.
 *
 * The idempotency key is kept with the question until an answer is there. A reload, a second tab, a double click or a
 * broken line asks again with the same key, and gets the same answer. They go over the socket when it is open.
 */
import { newKey, Unreachable, type AnswerOf, type AskArguments, type OperationId, type Problem } from "@fusioncommerce/client";
import { asShopError } from "./api";
import { connection } from "./client";
import { forget, keep, recall } from "./storage";

/** About half a minute; then the buyer is asked whether to go on. */
const RETRY = { attempts_max: 12, first_ms: 400 };
/** After this the server may have forgotten the key; so does the browser. */
const KEY_AGE_MAX_MS = 24 * 3600_000;

interface Pending {
  key: string;
  body: unknown;
  since: number;
}

export type WaitReason = "offline" | "overloaded" | "unknown";

/** A question without its key. `place` is what it is about: one place, one open question. */
type Asked<O extends OperationId> = Omit<NonNullable<AskArguments<O>[0]>, "key" | "retry" | "waiting"> & {
  place: string;
  /** Told when the answer takes more than one attempt. */
  onWait?: (reason: WaitReason) => void;
};

/** The body of a question that got no answer before the page went away. */
export function pendingBody<B>(place: string): B | undefined {
  return pendingAt(place)?.body as B | undefined;
}

export async function askOnce<O extends OperationId>(operation: O, { place, onWait, ...ask }: Asked<O>): Promise<AnswerOf<O>> {
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

/** Gives up on a question: the next one at this place is a new one. */
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
