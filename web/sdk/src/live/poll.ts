// Polling: the state of each topic as REST tells it. There are no facts in it.

import type { Client } from '../client.js';
import type { OperationId } from '../contract.js';
import { Problem } from '../problem.js';
import type { TopicFeed } from './topic.js';

/** What was heard last of each topic, so that nothing is told twice. */
export type PollMemory = Map<string, { etag: string | undefined; text: string }>;

/** Where the state of a topic is. The feed of orders has an empty one, told anew when the newest order is another. */
const PLACES = {
  drop: 'get_drop',
  cart: 'get_cart',
  checkout: 'get_checkout',
  order: 'get_order',
  orders: 'list_orders',
} as const satisfies Record<string, OperationId>;

/** Problems after which a topic is not there for us. */
const REFUSALS = [401, 403, 404];

/** Asks for the state of every topic once. Whether the shop was reached. */
export async function pollTopics(
  client: Client,
  topics: TopicFeed[],
  memory: PollMemory,
  signal: AbortSignal,
): Promise<boolean> {
  const reached = await Promise.all(topics.map((topic) => pollTopic(client, topic, memory, signal)));
  return reached.includes(true) || !reached.includes(false);
}

/** `undefined`: there is nothing to ask for. */
async function pollTopic(
  client: Client,
  topic: TopicFeed,
  memory: PollMemory,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const [kind, id = ''] = topic.name.split(/:(.*)/) as [keyof typeof PLACES, string?];
  if (!PLACES[kind] || topic.problem) return undefined;
  const known = memory.get(topic.name);
  try {
    const manner = { signal, ...(known?.etag === undefined ? {} : { etag: known.etag }) };
    const answer =
      kind === 'orders'
        ? await client.ask(PLACES[kind], { params: { limit: 1 }, signal })
        : await client.ask(PLACES[kind], { params: { id }, ...manner });
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
