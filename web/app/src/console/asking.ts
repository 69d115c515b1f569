/**
 * Requests that must take effect exactly once: changes of products, stock, drops, refunds.
 *
 * The idempotency key is stored with the request until a response arrives. A reload, a double click or a broken
 * connection therefore repeats the request with the same key, and gets the same response.
 */
import {
  isUnknown,
  newKey,
  type AnswerOf,
  type AskArguments,
  type AskFor,
  type OperationId,
} from "@fusioncommerce/client";
import { forget, keep, recall } from "../storage";
import { client, noteRefusal } from "./client";

/** After this time the server may have forgotten the key, so the browser forgets it too. */
const KEY_AGE_MAX_MS = 24 * 3600_000;

interface Pending {
  key: string;
  question: string;
  since: number;
}

/** Requests a change. `place` names its subject: there is one open request for each place. */
export async function askOnce<Op extends OperationId>(
  place: string,
  operation: Op,
  ask: AskFor<Op>,
): Promise<AnswerOf<Op>> {
  const name = `pending.console.${place}`;
  const key = openKey(name, JSON.stringify([operation, ask]));
  try {
    const answer = await client.call(operation, ...([{ ...ask, key }] as unknown as AskArguments<Op>));
    forget(name);
    return answer;
  } catch (thrown) {
    if (!isUnknown(thrown)) forget(name);
    noteRefusal(thrown);
    throw thrown;
  }
}

/** Reads something. Records if the session has ended. */
export async function read<Op extends OperationId>(operation: Op, ...ask: AskArguments<Op>): Promise<AnswerOf<Op>> {
  try {
    return await client.call(operation, ...ask);
  } catch (thrown) {
    noteRefusal(thrown);
    throw thrown;
  }
}

/** Returns the key of the open request at `name` if it is the same request, otherwise a new key. */
export function openKey(name: string, question: string): string {
  const stored = recall<Pending>(name);
  if (stored && stored.question === question && Date.now() - stored.since < KEY_AGE_MAX_MS) return stored.key;
  const fresh: Pending = { key: newKey(), question, since: Date.now() };
  keep(name, fresh);
  return fresh.key;
}
