// @fusioncommerce/client: a typed client for a shop, with real-time updates.

export { Client, createClient, newKey, type ClientOptions } from './client.js';
export { ServerClock } from './clock.js';
export type * from './contract.js';
export { CURRENCIES } from './currencies.js';
export { currencyDecimals, decimalAmount, formatMoney, parseAmount } from './money.js';
export {
  isProblem,
  isUnknown,
  Problem,
  Unreachable,
  type ProblemCode,
  type ProblemDocument,
  type ProblemOf,
} from './problem.js';
export type { RetryPolicy } from './rest/retry.js';
export { SessionKeeper, type Credentials, type SessionChange } from './session/keeper.js';
export { localStore, memoryStore, type Session, type SessionStore } from './session/store.js';
export type { SocketLike, SocketMaker } from './live/connection.js';
export type { FactOf, StateOf, TopicName } from './live/frames.js';
export { Live, live } from './live/live.js';
export type { LiveOptions } from './live/options.js';
export { LiveStopped, type LiveState, type LiveStatus } from './live/status.js';
export type { Gap, Topic, TopicListeners } from './live/topic.js';
export type { components, operations } from './schema.js';
