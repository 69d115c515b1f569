// How the live connection stands, for those who show it.

/** How it stands. */
export type LiveState =
  /** A connection is being made, for the first time or anew. */
  | 'connecting'
  /** On a WebSocket: what happens is there at once. */
  | 'live'
  /** WebSocket does not get through; the same comes by a stream, or by polling. */
  | 'fallback'
  /** Nothing gets through. It goes on trying. */
  | 'offline'
  /** It has ended: by `close`, or because the server does not want us to come back. */
  | 'stopped';

/** The state, and what belongs to it. */
export interface LiveStatus {
  readonly state: LiveState;
  /** By what way it comes. */
  readonly way: 'socket' | 'stream' | 'polling' | undefined;
  /** Why it has stopped, unless by `close`. */
  readonly error: LiveStopped | undefined;
}

/** The server has ended the connection, and says that coming back would not help. */
export class LiveStopped extends Error {
  /** The close code: docs/realtime.md lists them. */
  readonly close_code: number;

  constructor(close_code: number, reason: string) {
    super(`the live connection was refused with ${close_code}${reason === '' ? '' : `: ${reason}`}`);
    this.name = 'LiveStopped';
    this.close_code = close_code;
  }
}

/** Close codes from which one does not come back: 4500 to 4999, and a message that was too big. */
export function isFinal(close_code: number): boolean {
  return (close_code >= 4500 && close_code <= 4999) || close_code === 1009;
}

/** The token is not good. With another one it may work. */
export const TOKEN_REFUSED = 4501;
/** The token has ended. */
export const TOKEN_ENDED = 4004;
