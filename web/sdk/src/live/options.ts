// How a live connection behaves, with what is right for shops.

import type { Backoff } from '../backoff.js';
import type { SocketMaker } from './connection.js';

/** How a live connection behaves. Everything has a default. */
export interface LiveOptions {
  /** What makes a WebSocket. Default: the global one. Without one, or with `false`, it is a stream from the start. */
  WebSocket?: SocketMaker | false;
  /** What we are, for the server's logs: `shop/1.4`. */
  client?: string;
  /** Waits between attempts to connect. */
  backoff?: Partial<Backoff>;
  /** Attempts in a row without a welcome before the fallback begins. The socket is tried on meanwhile. */
  fallback_after?: number;
  /** How often the socket is tried while the fallback works. */
  retry_socket_ms?: number;
  /** Until when a new socket must be welcome. */
  welcome_ms_max?: number;
  /** How long a command waits for its reply before it is asked for over REST. */
  reply_ms_max?: number;
  /** How often is polled, where even a stream does not get through. */
  poll_ms?: number;
  /** How long is polled before the stream is tried again. */
  poll_for_ms?: number;
  /** A stream that says nothing for so long is broken; it has a comment every 15 seconds. */
  silence_ms_max?: number;
}

/** The options with nothing left out. */
export type LiveSettings = Required<Omit<LiveOptions, 'WebSocket' | 'backoff'>> & {
  readonly WebSocket: SocketMaker | undefined;
  readonly backoff: Backoff;
};

/** Fills in what was left out. */
export function settingsOf(options: LiveOptions): LiveSettings {
  return {
    client: 'fusion-client-js',
    // Two attempts can fall into a restart of the server; a third that fails says that something is in the way.
    fallback_after: 3,
    retry_socket_ms: 30_000,
    welcome_ms_max: 10_000,
    reply_ms_max: 10_000,
    poll_ms: 2_000,
    poll_for_ms: 60_000,
    silence_ms_max: 40_000,
    ...options,
    WebSocket: options.WebSocket === false ? undefined : (options.WebSocket ?? globalSocket()),
    // Half a second on average at first: a crowd that was cut together comes back over a second.
    backoff: { first_ms: 500, longest_ms: 20_000, ...options.backoff },
  };
}

function globalSocket(): SocketMaker | undefined {
  return (globalThis as { WebSocket?: SocketMaker }).WebSocket;
}
