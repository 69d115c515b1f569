// The options of a live connection, with defaults for shops.

import type { Backoff } from '../backoff.js';
import type { SocketMaker } from './connection.js';

/** The options of a live connection. All have defaults. */
export interface LiveOptions {
  /**
   * The WebSocket constructor. Default: the global one. Without one, or with `false`, the client uses the stream from
   * the start.
   */
  WebSocket?: SocketMaker | false;
  /** The name of the client, for the server's logs: `shop/1.4`. */
  client?: string;
  /** The waits between attempts to connect. */
  backoff?: Partial<Backoff>;
  /**
   * The number of consecutive attempts without a welcome after which the fallback starts. Attempts to open the socket
   * continue.
   */
  fallback_after?: number;
  /** The interval of attempts to open the socket while the fallback delivers. */
  retry_socket_ms?: number;
  /** The longest time to wait for the welcome of a new socket. */
  welcome_ms_max?: number;
  /** The longest time to wait for the reply to a command, before it is sent over REST. */
  reply_ms_max?: number;
  /** The interval of polling, where even the stream is blocked. */
  poll_ms?: number;
  /** How long to poll before the stream is tried again. */
  poll_for_ms?: number;
  /** The silence after which a stream counts as broken. The server sends a comment every 15 seconds. */
  silence_ms_max?: number;
}

/** The options with all defaults filled in. */
export type LiveSettings = Required<Omit<LiveOptions, 'WebSocket' | 'backoff'>> & {
  readonly WebSocket: SocketMaker | undefined;
  readonly backoff: Backoff;
};

/** Fills in the defaults. */
export function settingsOf(options: LiveOptions): LiveSettings {
  return {
    client: 'fusion-client-js',
    // Two attempts can fail during a restart of the server; a third failure means that WebSockets are blocked.
    fallback_after: 3,
    retry_socket_ms: 30_000,
    welcome_ms_max: 10_000,
    reply_ms_max: 10_000,
    poll_ms: 2_000,
    poll_for_ms: 60_000,
    silence_ms_max: 40_000,
    ...options,
    WebSocket: options.WebSocket === false ? undefined : (options.WebSocket ?? globalSocket()),
    // Half a second on average at first: clients that were disconnected together reconnect within a second.
    backoff: { first_ms: 500, longest_ms: 20_000, ...options.backoff },
  };
}

function globalSocket(): SocketMaker | undefined {
  return (globalThis as { WebSocket?: SocketMaker }).WebSocket;
}
