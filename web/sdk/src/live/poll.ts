// Polling: the state of each topic from REST, without facts.

import type { Client } from '../client.js';
import type { OperationId } from '../contract.js';
import { Problem } from '../problem.js';
import type { TopicFeed } from './topic.js';

/** The last state of each topic, so that no state is delivered twice. */
export type PollMemory = Map<string, { etag: string | undefined; text: string }>;

/**
 * The operation that returns the state of a topic. The state of `orders` is empty; it is delivered again when the
 * newest order changes.
 */
const OPERATIONS = {
  drop: 'get_drop',
  cart: 'get_cart',
  checkout: 'get_checkout',
  order: 'get_order',
  orders: 'list_orders',
} as const satisfies Record<string, OperationId>;

/** Statuses after which a topic counts as refused. */
const REFUSALS = [401, 403, 404];

/** Requests the state of every topic once. Returns whether the shop was reached. */
export async function pollTopics(
  client: Client,
  topics: TopicFeed[],
  memory: PollMemory,
  signal: AbortSignal,
): Promise<boolean> {
  const reached = await Promise.all(topics.map((topic) => pollTopic(client, topic, memory, signal)));
  return reached.includes(true) || !reached.includes(false);
}

/** Returns `undefined` if there is nothing to request. */
async function pollTopic(
  client: Client,
  topic: TopicFeed,
  memory: PollMemory,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const [kind, id = ''] = topic.name.split(/:(.*)/) as [keyof typeof OPERATIONS, string?];
  if (!OPERATIONS[kind] || topic.problem) return undefined;
  const known = memory.get(topic.name);
  try {
    const options = { signal, ...(known?.etag === undefined ? {} : { etag: known.etag }) };
    const answer =
      kind === 'orders'
        ? await client.ask(OPERATIONS[kind], { params: { limit: 1 }, signal })
        : await client.ask(OPERATIONS[kind], { params: { id }, ...options });
    const text = JSON.stringify(answer.body);
    if (answer.status === 304 || signal.aborted) return true;
    memory.set(topic.name, { etag: answer.etag, text });
    if (text !== known?.text) topic.takeState(kind === 'orders' ? {} : answer.body);
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) return false;
    if (REFUSALS.includes(error.status)) topic.refuse(error);
    return true;
  }
}
