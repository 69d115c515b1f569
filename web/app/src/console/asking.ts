/**
 * Changes that must happen exactly once: products, stock, drops, refunds.
 *
 * The idempotency key is kept with the question until an answer is there, so a reload, a double click or a broken line
 * asks again with the same key, and gets the same answer.
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

/** After this the server may have forgotten the key; so does the browser. */
const KEY_AGE_MAX_MS = 24 * 3600_000;

interface Pending {
  key: string;
  question: string;
  since: number;
}

/** Asks for a change. `place` says what it is about: one place, one open question. */
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

/** Reads something; a session that turns out to be over is noted. */
export async function read<Op extends OperationId>(operation: Op, ...ask: AskArguments<Op>): Promise<AnswerOf<Op>> {
  try {
    return await client.call(operation, ...ask);
  } catch (thrown) {
    noteRefusal(thrown);
    throw thrown;
  }
}

/** The key of the question that is open at `name`, if it is the same one, else a new key. */
export function openKey(name: string, question: string): string {
  const kept = recall<Pending>(name);
  if (kept && kept.question === question && Date.now() - kept.since < KEY_AGE_MAX_MS) return kept.key;
  const fresh: Pending = { key: newKey(), question, since: Date.now() };
  keep(name, fresh);
  return fresh.key;
}
