// The status of the live connection, for display.

/** The state of the live connection. */
export type LiveState =
  /** Connecting, for the first time or again. */
  | 'connecting'
  /** On a WebSocket: changes arrive at once. */
  | 'live'
  /** WebSockets are blocked; topics come by stream or by polling. */
  | 'fallback'
  /** Nothing gets through. Attempts continue. */
  | 'offline'
  /** Ended: by `close`, or because the server refuses further connections. */
  | 'stopped';

/** The state with its details. */
export interface LiveStatus {
  readonly state: LiveState;
  /** The way of delivery. */
  readonly way: 'socket' | 'stream' | 'polling' | undefined;
  /** The reason of the stop, unless it was stopped by `close`. */
  readonly error: LiveStopped | undefined;
}

/** The server has closed the connection with a code after which reconnecting would not help. */
export class LiveStopped extends Error {
  /** The close code. docs/realtime.md lists them. */
  readonly close_code: number;

  constructor(close_code: number, reason: string) {
    super(`the live connection was refused with ${close_code}${reason === '' ? '' : `: ${reason}`}`);
    this.name = 'LiveStopped';
    this.close_code = close_code;
  }
}

/** Returns whether a close code rules out reconnecting: 4500 to 4999, and 1009 (message too big). */
export function isFinal(close_code: number): boolean {
  return (close_code >= 4500 && close_code <= 4999) || close_code === 1009;
}

/** The token was refused. Another token may be accepted. */
export const TOKEN_REFUSED = 4501;
/** The token has expired or been revoked. */
export const TOKEN_ENDED = 4004;
