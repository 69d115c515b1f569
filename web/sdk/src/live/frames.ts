// The frames of /v1/ws as JSON. schemas/fusion.v1.proto and docs/realtime.md describe them.

import type { Cart, Checkout, Drop, Order } from '../contract.js';
import type { ProblemDocument } from '../problem.js';

/** A place in a topic: the number of earlier facts of an epoch. */
export interface Place {
  readonly epoch: string;
  readonly offset: number;
}

/** The name of a topic. */
export type TopicName = `drop:${string}` | `cart:${string}` | `checkout:${string}` | `order:${string}` | 'orders';

/** The state of a topic: the REST representation of the entity; for a drop, also the number of viewers. */
export type StateOf<N extends TopicName> = N extends `drop:${string}`
  ? Drop & { viewers?: number }
  : N extends `cart:${string}`
    ? Cart
    : N extends `checkout:${string}`
      ? Checkout
      : N extends `order:${string}`
        ? Order
        : Record<never, never>;

/** The facts of a topic. docs/realtime.md lists their types. */
export type FactOf<N extends TopicName> = N extends `drop:${string}`
  ? { type: 'drop_published' | 'drop_edited' | 'drop_ended' | 'drop_cancelled'; data: { at: string } }
  : N extends 'orders'
    ? { type: 'order_created' | 'order_changed'; data: { order_id: string } }
    : { type: string; data: unknown };

/** The id of a reply, local to the connection. */
export type CommandId = number;

/** A frame from the client. */
export type ClientFrame =
  | { op: 'hello'; token?: string; client?: string }
  | { op: 'auth'; token: string }
  | { op: 'subscribe'; topic: string; since?: Place }
  | { op: 'unsubscribe'; topic: string }
  | {
      op: 'command';
      id: CommandId;
      key?: string;
      name: string;
      params?: Record<string, string>;
      body?: unknown;
      if_match?: number;
    }
  | { op: 'pong' };

/** The limits of the server. */
export interface Limits {
  readonly message_bytes: number;
  readonly frames: number;
  readonly subscriptions: number;
  readonly commands_in_flight: number;
}

/** A frame from the server about a topic. */
export type TopicFrame =
  | { op: 'subscribed'; topic: string; epoch: string; offset: number; state?: unknown }
  | { op: 'refused'; topic: string; problem: ProblemDocument }
  | { op: 'event'; topic: string; offset: number; type: string; data: unknown }
  | { op: 'state'; topic: string; offset: number; data: unknown }
  | { op: 'gap'; topic: string };

/** A frame from the server. */
export type ServerFrame =
  | TopicFrame
  | { op: 'welcome'; server_time: number; ping_ms: number; limits: Limits }
  | {
      op: 'reply';
      id: CommandId;
      status: number;
      replayed?: boolean;
      body?: unknown;
      problem?: ProblemDocument;
    }
  | { op: 'expiring'; in_ms: number }
  | { op: 'draining'; reconnect_in_ms: number }
  | { op: 'ping' };

/**
 * Returns the frames of a message, which holds one frame or an array of frames. Anything else is skipped, since a newer
 * server may send more.
 */
export function framesIn(text: string): ServerFrame[] {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    return [];
  }
  const frames = Array.isArray(said) ? said : [said];
  return frames.filter((frame): frame is ServerFrame => typeof frame?.op === 'string');
}

/** Returns whether a frame is about a topic. */
export function isTopicFrame(frame: ServerFrame): frame is TopicFrame {
  return 'topic' in frame;
}
