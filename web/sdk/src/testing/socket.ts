// A WebSocket without a network: the test is the server.

import type { SocketLike, SocketMaker } from '../live/connection.js';
import type { ClientFrame, ServerFrame } from '../live/frames.js';

/** A socket that a test answers. */
export class FakeSocket implements SocketLike {
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: unknown) => void) | null = null;
  onclose: ((event: unknown) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  /** What the client has said. */
  readonly heard: ClientFrame[] = [];
  /** In how many messages. */
  messages = 0;
  is_closed = false;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {}

  send(data: string): void {
    this.messages += 1;
    this.heard.push(...[JSON.parse(data)].flat());
  }

  close(code = 1000, reason = ''): void {
    this.ends(code, reason);
  }

  /** The connection is there. */
  opens(): void {
    this.onopen?.({});
  }

  /** The server says frames, in one message. */
  says(...frames: ServerFrame[]): void {
    this.onmessage?.({ data: JSON.stringify(frames.length === 1 ? frames[0] : frames) });
  }

  /** It opens, and the server welcomes the client. */
  welcomes(ping_ms = 25_000, limits = {}): void {
    if (this.heard.length === 0) this.opens();
    this.says({
      op: 'welcome',
      server_time: Date.now(),
      ping_ms,
      limits: { message_bytes: 262_144, frames: 256, subscriptions: 64, commands_in_flight: 256, ...limits },
    });
  }

  /** The connection ends. */
  ends(code = 1006, reason = ''): void {
    if (this.is_closed) return;
    this.is_closed = true;
    this.onclose?.({ code, reason });
  }

  /** What the client has said by an `op`. */
  all<Op extends ClientFrame['op']>(op: Op): (ClientFrame & { op: Op })[] {
    return this.heard.filter((frame): frame is ClientFrame & { op: Op } => frame.op === op);
  }
}

/** A maker of fake sockets, and those that it made. */
export function fakeSockets(): { make: SocketMaker; made: FakeSocket[] } {
  const made: FakeSocket[] = [];
  class Made extends FakeSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      made.push(this);
    }
  }
  return { make: Made, made };
}
