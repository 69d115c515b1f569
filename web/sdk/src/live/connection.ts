// A WebSocket, from its opening to its end.

import { framesIn, type ClientFrame, type Limits, type ServerFrame } from './frames.js';

/**
 * The part of the WebSocket interface that is used. Browsers and Node 22 or newer implement it; elsewhere the npm
 * package `ws` does.
 */
export interface SocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

/** A WebSocket constructor. */
export type SocketMaker = new (url: string, protocols: string[]) => SocketLike;

/** How a connection ended. */
export interface End {
  /** The close code; 1006 if the connection was lost. */
  readonly code: number;
  readonly reason: string;
  /** The time from the welcome to the end; 0 if there was no welcome. */
  readonly lived_ms: number;
  /** The time after which to reconnect, if the server sent one. */
  readonly reconnect_in_ms: number | undefined;
}

/** The options of a connection. */
export interface ConnectionOptions {
  readonly make: SocketMaker;
  /** `wss://shop.example/v1/ws` */
  readonly url: string;
  readonly token: string | undefined;
  /** The name of the client, for the server's logs. */
  readonly client: string;
  /** The longest time to wait for the welcome. */
  readonly welcome_ms_max: number;
  /** Called when frames may follow `hello`; they need not wait for the welcome. */
  readonly opened: () => void;
  /** Receives every frame except pings. */
  readonly receive: (frame: ServerFrame) => void;
}

/** The subprotocol: frames as JSON. */
export const SUBPROTOCOL = 'fusion.v1.json';
/** The close code of a lost connection. */
const LOST = 1006;
/** The number of frames in a message before the server has sent its limits. */
const FRAMES_AT_FIRST = 32;
/** The longest time that a close may take before the connection counts as ended. */
const CLOSE_MS_MAX = 1_000;

/** A connection. The constructor starts to open it. */
export class Connection {
  /** Resolves once, and never rejects. */
  readonly ended: Promise<End>;
  /** The token that was sent to the server. */
  token: string | undefined;
  /** The limits of the server; set by the welcome. */
  limits: Limits | undefined;
  readonly #options: ConnectionOptions;
  readonly #socket: SocketLike;
  #finish!: (end: End) => void;
  #is_open = false;
  #is_over = false;
  #out: string[] = [];
  #heard_at = Date.now();
  #opened_at = Date.now();
  #welcome_at: number | undefined;
  #silence_ms_max = Infinity;
  #drain: { at: number; in_ms: number } | undefined;
  #check: ReturnType<typeof setInterval> | undefined;
  readonly #welcome_timer: ReturnType<typeof setTimeout>;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.token = options.token;
    this.ended = new Promise((resolve) => (this.#finish = resolve));
    this.#welcome_timer = setTimeout(() => this.close('no welcome in time'), options.welcome_ms_max);
    this.#socket = new options.make(options.url, [SUBPROTOCOL]);
    this.#socket.onopen = () => {
      this.#opened_at = Date.now();
      const token = this.token;
      this.#is_open = true;
      this.send({ op: 'hello', client: options.client, ...(token === undefined ? {} : { token }) });
      options.opened();
    };
    this.#socket.onmessage = ({ data }: { data: unknown }) => this.#read(String(data));
    // The specification requires a close event after an error, but not every implementation sends one.
    this.#socket.onerror = () => setTimeout(() => this.#over(LOST, 'broken'), 0);
    this.#socket.onclose = ({ code, reason }: { code?: number; reason?: string }) =>
      this.#over(code ?? LOST, reason ?? '');
  }

  /** The local time at which `hello` was sent. */
  get opened_at(): number {
    return this.#opened_at;
  }

  /** Whether frames can be sent: `hello` was sent, and the connection has not ended. */
  get is_open(): boolean {
    return this.#is_open && !this.#is_over;
  }

  /** Whether the server has sent a welcome and the connection has not ended. */
  get is_live(): boolean {
    return this.limits !== undefined && !this.#is_over;
  }

  /** Sends a frame. All frames of one event-loop turn are sent in one message, within the server's limits. */
  send(frame: ClientFrame): void {
    if (this.#is_over) return;
    this.#out.push(JSON.stringify(frame));
    if (this.#out.length === 1) queueMicrotask(() => this.#flush());
  }

  /** Closes the connection. */
  close(reason: string): void {
    if (this.#is_over) return;
    try {
      this.#socket.close(1000, reason);
    } catch {
      // The socket was not open yet.
    }
    // A half-open connection never fires a close event.
    setTimeout(() => this.#over(LOST, reason), CLOSE_MS_MAX);
  }

  /** Closes the connection and counts it as ended immediately. */
  abandon(reason: string): void {
    this.close(reason);
    this.#over(LOST, reason);
  }

  #flush(): void {
    if (this.#is_over) return;
    const { frames = FRAMES_AT_FIRST, message_bytes = Infinity } = this.limits ?? {};
    let [message, length]: [string[], number] = [[], 2];
    for (const frame of this.#out.splice(0)) {
      // A character is at most 3 bytes of UTF-8.
      const bytes = frame.length * 3 + 1;
      if (message.length > 0 && (message.length >= frames || length + bytes > message_bytes)) {
        this.#write(message);
        [message, length] = [[], 2];
      }
      message.push(frame);
      length += bytes;
    }
    if (message.length > 0) this.#write(message);
  }

  #write(frames: string[]): void {
    try {
      this.#socket.send(frames.length === 1 ? (frames[0] as string) : `[${frames.join(',')}]`);
    } catch {
      // The socket is closing; its close event follows.
    }
  }

  #read(text: string): void {
    if (this.#is_over) return;
    this.#heard_at = Date.now();
    for (const frame of framesIn(text)) {
      if (frame.op === 'ping') {
        this.send({ op: 'pong' });
        continue;
      }
      if (frame.op === 'welcome') this.#welcome(frame.ping_ms, frame.limits);
      if (frame.op === 'draining') this.#draining(frame.reconnect_in_ms);
      this.#options.receive(frame);
    }
  }

  #welcome(ping_ms: number, limits: Limits): void {
    this.limits = limits;
    this.#welcome_at ??= Date.now();
    clearTimeout(this.#welcome_timer);
    this.#silence_ms_max = 2 * ping_ms + 1_000;
    clearInterval(this.#check);
    this.#check = setInterval(() => {
      if (Date.now() - this.#heard_at > this.#silence_ms_max) this.abandon('the server is silent');
    }, ping_ms);
  }

  #draining(in_ms: number): void {
    this.#drain = { at: Date.now() + in_ms, in_ms };
    setTimeout(() => this.abandon('the server stops'), in_ms);
  }

  #over(code: number, reason: string): void {
    if (this.#is_over) return;
    this.#is_over = true;
    clearTimeout(this.#welcome_timer);
    clearInterval(this.#check);
    const reconnect_in_ms = this.#drain && Math.max(0, this.#drain.at - Date.now());
    const lived_ms = this.#welcome_at === undefined ? 0 : Date.now() - this.#welcome_at;
    this.#finish({ code, reason, lived_ms, reconnect_in_ms });
  }
}
