// A WebSocket without a network. The test takes the role of the server.

import type { SocketLike, SocketMaker } from '../live/connection.js';
import type { ClientFrame, ServerFrame } from '../live/frames.js';

/** A socket that a test answers. */
export class FakeSocket implements SocketLike {
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: unknown) => void) | null = null;
  onclose: ((event: unknown) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  /** The frames that the client has sent. */
  readonly received: ClientFrame[] = [];
  /** The number of messages that the client has sent. */
  messages = 0;
  is_closed = false;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {}

  send(data: string): void {
    this.messages += 1;
    this.received.push(...[JSON.parse(data)].flat());
  }

  close(code = 1000, reason = ''): void {
    this.ends(code, reason);
  }

  /** Opens the connection. */
  opens(): void {
    this.onopen?.({});
  }

  /** Sends frames to the client, in one message. */
  says(...frames: ServerFrame[]): void {
    this.onmessage?.({ data: JSON.stringify(frames.length === 1 ? frames[0] : frames) });
  }

  /** Opens the connection and sends a welcome. */
  welcomes(ping_ms = 25_000, limits = {}): void {
    if (this.received.length === 0) this.opens();
    this.says({
      op: 'welcome',
      server_time: Date.now(),
      ping_ms,
      limits: { message_bytes: 262_144, frames: 256, subscriptions: 64, commands_in_flight: 256, ...limits },
    });
  }

  /** Ends the connection. */
  ends(code = 1006, reason = ''): void {
    if (this.is_closed) return;
    this.is_closed = true;
    this.onclose?.({ code, reason });
  }

  /** Returns the client's frames with this `op`. */
  all<Op extends ClientFrame['op']>(op: Op): (ClientFrame & { op: Op })[] {
    return this.received.filter((frame): frame is ClientFrame & { op: Op } => frame.op === op);
  }
}

/** Returns a constructor of fake sockets, and the sockets that it made. */
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
