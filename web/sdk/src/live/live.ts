// The live connection of a client: topics, commands, and the way they take.
//
//   topic.on ──► wanted ──► socket loop: connect ─ welcome ─ subscribe ─ … ─ end ─ wait ─┐
//                              ▲                                                         │
//                              └─────────────────────────────────────────────────────────┘
//                           after some failures beside it: stream ─► polling ─► stream …

import { announce } from '../announce.js';
import { pause, waitBefore } from '../backoff.js';
import { newKey, type Client } from '../client.js';
import type { AnswerOf, AskArguments, OperationId } from '../contract.js';
import { isProblem, Problem } from '../problem.js';
import { ROUTES, type Route } from '../routes.js';
import type { AnyAsk } from '../rest/request.js';
import { Commands, type CommandBody } from './commands.js';
import { Connection, type End } from './connection.js';
import { Fallback } from './fallback.js';
import { isTopicFrame, type ServerFrame, type TopicFrame, type TopicName } from './frames.js';
import { settingsOf, type LiveOptions, type LiveSettings } from './options.js';
import { isFinal, LiveStopped, TOKEN_ENDED, TOKEN_REFUSED, type LiveState, type LiveStatus } from './status.js';
import type { Session } from '../session/store.js';
import { TopicFeed, type Topic } from './topic.js';

/** Statuses of a refused subscription after which it is asked for again by itself. */
const REFUSED_FOR_NOW = [429, 500, 503, 504];
/** How far in the row of waits that is: a server that is busy is left alone for some seconds. */
const REFUSED_WAIT = 3;

/** Subscriptions that go along with `hello`, before the server has told its limits. */
const SUBSCRIPTIONS_AT_FIRST = 16;
/** A connection that lived for so long was a good one: what comes after it is no failure in a row. */
const GOOD_AFTER_MS = 10_000;

/** The live connection of a client. It connects when the first topic is listened to, or by `connect`. */
export class Live {
  readonly #client: Client;
  readonly #settings: LiveSettings;
  readonly #feeds = new Map<string, TopicFeed>();
  /** Topics that the present connection was told of. */
  readonly #subscribed = new Set<string>();
  readonly #commands: Commands;
  readonly #fallback: Fallback;
  readonly #listeners = new Set<(status: LiveStatus) => void>();
  readonly #ends: (() => void)[] = [];
  #connection: Connection | undefined;
  #started = false;
  #stopped: { error: LiveStopped | undefined } | undefined;
  #failures = 0;
  #status: LiveStatus = { state: 'connecting', way: undefined, error: undefined };
  /** Ends the wait for the next attempt. */
  #wake: AbortController | undefined;
  /** The session is another: come back at once. */
  #come_back = false;
  /** Who the connection is, or is about to be. */
  #subject: string | undefined;
  /** The browser has been off line, and a connection made before that is not to be trusted. */
  #network_was_away = false;
  /** Since the last welcome a token was refused. */
  #token_refused = false;

  constructor(client: Client, options: LiveOptions = {}) {
    this.#client = client;
    this.#settings = settingsOf(options);
    this.#commands = new Commands(this.#settings.reply_ms_max);
    this.#fallback = new Fallback({
      ...this.#settings,
      client,
      feeds: () => this.#wanted(),
      changed: () => this.#tell(),
    });
  }

  /** How it stands. */
  get status(): LiveStatus {
    return this.#status;
  }

  /** Hears how it stands, at once and at every change, until what it returns is called. */
  onStatus(listener: (status: LiveStatus) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#status);
    return () => void this.#listeners.delete(listener);
  }

  /** A topic. The same name gives the same topic. */
  topic<N extends TopicName>(name: N): Topic<N> {
    const known = this.#feeds.get(name);
    if (known) return known as unknown as Topic<N>;
    // At the end of the turn: who stops and starts to listen within one has not stopped.
    const feed = new TopicFeed(name, () => queueMicrotask(() => this.#follow(feed)));
    this.#feeds.set(name, feed as unknown as TopicFeed);
    return feed;
  }

  /** Connects now, so that the first topic or command finds an open door. */
  connect(): void {
    if (this.#started || this.#stopped) return;
    this.#started = true;
    this.#ends.push(this.#client.session.on((session) => this.#sessionChanged(session)));
    for (const name of ['online', 'offline']) {
      const heard = () => this.#networkChanged();
      globalThis.addEventListener?.(name, heard);
      this.#ends.push(() => globalThis.removeEventListener?.(name, heard));
    }
    void this.#run();
  }

  /** Ends the connection for good. */
  close(): void {
    this.#stop(undefined);
  }

  /**
   * Carries an operation out over the socket; over REST where that is not open, and where it breaks before the reply: with
   * the same key, so that it happens once. Answers and rejects as `client.call` does.
   */
  async command<Op extends OperationId>(operation: Op, ...[given]: AskArguments<Op>): Promise<AnswerOf<Op>> {
    const route: Route = ROUTES[operation];
    const ask: AnyAsk = { ...given };
    if (route.key) ask.key ??= newKey();
    const connection = this.#connection;
    if (connection && isOnline() && this.#takes(connection, route, ask)) {
      const outcome = await this.#commands.send(connection, commandOf(operation, ask), ask.signal);
      if (outcome !== 'no_reply' && outcome.status < 400) return outcome.body as AnswerOf<Op>;
      if (outcome !== 'no_reply' && outcome.problem) {
        const problem = new Problem(outcome.problem, { key: ask.key });
        if (isDefinite(problem.status, problem.code)) throw problem;
        // An overloaded shop is not asked at once by another door.
        if (problem.status >= 500) ask.told = problem;
      }
    }
    return this.#client.call(operation, ...([ask] as unknown as AskArguments<Op>));
  }

  /** Whether a command can go over the socket as it is. */
  #takes({ is_live, limits, token }: Connection, route: Route, ask: AnyAsk): boolean {
    const repeatable = route.method !== 'POST' || route.key;
    const has_token = route.token !== 'required' || token !== undefined;
    if (!is_live || !limits || !repeatable || route.csv || ask.etag || ask.anonymous || !has_token) return false;
    if (this.#commands.in_flight >= limits.commands_in_flight) return false;
    return JSON.stringify(ask.body ?? null).length * 3 + 1_024 < limits.message_bytes;
  }

  #wanted(): TopicFeed[] {
    return [...this.#feeds.values()].filter((feed) => feed.is_wanted);
  }

  /** Subscribes to what is wanted, and ends what is not. */
  #follow(feed: TopicFeed | TopicFeed<any>): void {
    if (this.#stopped) return feed.is_wanted ? feed.stop(this.#stopped.error) : undefined;
    this.connect();
    if (feed.is_wanted === this.#subscribed.has(feed.name)) return;
    this.#fallback.renew();
    const connection = this.#connection;
    if (!connection?.is_open) return;
    if (!feed.is_wanted) {
      this.#subscribed.delete(feed.name);
      return connection.send({ op: 'unsubscribe', topic: feed.name });
    }
    if (this.#subscribed.size >= (connection.limits?.subscriptions ?? SUBSCRIPTIONS_AT_FIRST)) {
      // Before the welcome it is not known how many there may be: then it is tried again.
      return connection.limits ? feed.refuse(tooManyTopics()) : undefined;
    }
    this.#subscribed.add(feed.name);
    const since = feed.since;
    connection.send({ op: 'subscribe', topic: feed.name, ...(since ? { since } : {}) });
  }

  #followAll(): void {
    for (const feed of this.#wanted()) this.#follow(feed);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const end = await this.#connectOnce();
      const token = this.#connection?.token;
      this.#connection = undefined;
      this.#subscribed.clear();
      this.#commands.breakOff();
      if (this.#stopped) return;
      if (end && (await this.#isFinal(end, token))) return this.#stop(new LiveStopped(end.code, end.reason));
      if (end && end.lived_ms > GOOD_AFTER_MS) this.#failures = 0;
      if (this.#come_back) {
        this.#come_back = false;
        continue;
      }
      this.#failures += 1;
      if (this.#failures >= this.#settings.fallback_after || !this.#settings.WebSocket) this.#fallback.start();
      this.#tell();
      await this.#wait(end);
    }
  }

  /** Opens a socket, and stays with it until its end. `undefined`: there was nothing to open it with. */
  async #connectOnce(): Promise<End | undefined> {
    const { WebSocket, client, welcome_ms_max } = this.#settings;
    if (!WebSocket) return undefined;
    this.#tell();
    try {
      const session = await this.#client.session.fresh().catch((error: unknown) => {
        // It is over: what everyone may see is still there.
        if (isProblem(error, 'invalid_refresh_token')) return undefined;
        throw error;
      });
      if (this.#stopped) return undefined;
      const connection: Connection = new Connection({
        make: WebSocket,
        url: `${this.#client.url.replace(/^http/, 'ws')}/v1/ws`,
        token: session?.token,
        client,
        welcome_ms_max,
        opened: () => this.#followAll(),
        hear: (frame) => this.#hear(connection, frame),
      });
      this.#subject = session?.subject;
      this.#connection = connection;
      return await connection.ended;
    } catch {
      // The session cannot be renewed now, or the address is none for sockets.
      return undefined;
    }
  }

  async #wait(end: End | undefined): Promise<void> {
    const { backoff, retry_socket_ms, WebSocket } = this.#settings;
    const in_fallback = this.#fallback.way !== undefined || !WebSocket;
    const spread = in_fallback
      ? waitBefore(0, { first_ms: retry_socket_ms, longest_ms: retry_socket_ms })
      : waitBefore(this.#failures - 1, backoff);
    this.#wake = new AbortController();
    await pause(end?.reconnect_in_ms ?? spread, this.#wake.signal).catch(() => undefined);
    this.#wake = undefined;
  }

  #hear(connection: Connection, frame: ServerFrame): void {
    if (this.#connection !== connection || this.#stopped) return;
    if (isTopicFrame(frame)) {
      if (!this.#subscribed.has(frame.topic)) return;
      if (frame.op === 'refused') return this.#refused(frame);
      return this.#feeds.get(frame.topic)?.take(frame);
    }
    if (frame.op === 'reply') this.#commands.take(frame);
    if (frame.op === 'expiring') void this.#renewToken(connection);
    if (frame.op === 'welcome') this.#welcome(connection, frame.server_time);
  }

  #welcome(connection: Connection, server_time: number): void {
    const clock = this.#client.clock;
    clock.observe(server_time, connection.opened_at, clock.local());
    this.#token_refused = false;
    this.#fallback.stop();
    // After `auth` there is a welcome, too: what was refused may be seen now.
    this.#followAll();
    this.#tell();
  }

  #refused(frame: TopicFrame & { op: 'refused' }): void {
    const feed = this.#feeds.get(frame.topic);
    this.#subscribed.delete(frame.topic);
    if (!feed || !REFUSED_FOR_NOW.includes(frame.problem.status)) return feed?.take(frame);
    setTimeout(() => this.#follow(feed), waitBefore(REFUSED_WAIT, this.#settings.backoff));
  }

  async #renewToken(connection: Connection): Promise<void> {
    const { session } = this.#client;
    // A failure is no harm yet: when the token has ended the server says so, and it is tried again.
    const renewed = await session.renew(connection.token ?? '').catch(() => undefined);
    if (renewed) this.#authenticate(connection, renewed.token);
  }

  #authenticate(connection: Connection, token: string): void {
    if (connection.token === token || !connection.is_live) return;
    connection.token = token;
    connection.send({ op: 'auth', token });
  }

  #sessionChanged(session: Session | undefined): void {
    const [connection, before] = [this.#connection, this.#subject];
    this.#subject = session?.subject;
    this.#fallback.renew();
    if (!connection || session?.token === connection.token) return;
    if (!connection.is_open) return void (connection.token = session?.token);
    // A connection can become somebody's, and a guest's an account's; it is never handed to somebody else.
    const goes_on = before === undefined || before === session?.subject || session?.role !== undefined;
    if (session && connection.is_live && goes_on) return this.#authenticate(connection, session.token);
    this.#come_back = true;
    connection.abandon('the session is another');
  }

  /** Whether one may not come back. When it was for the token, a newer one is worth a try. */
  async #isFinal(end: End, token: string | undefined): Promise<boolean> {
    if (end.code !== TOKEN_REFUSED && end.code !== TOKEN_ENDED) return isFinal(end.code);
    if (token !== undefined) await this.#client.session.renew(token).catch(() => undefined);
    if (end.code === TOKEN_ENDED) return false;
    const refused_before = this.#token_refused;
    this.#token_refused = true;
    return refused_before;
  }

  #networkChanged(): void {
    if (!isOnline()) this.#network_was_away = true;
    else {
      this.#failures = 0;
      this.#wake?.abort();
      // A connection from before is most likely a dead one, and would take a minute to tell.
      if (this.#network_was_away && this.#connection) {
        this.#come_back = true;
        this.#connection.abandon('the network was away');
      }
      this.#network_was_away = false;
    }
    this.#tell();
  }

  #stop(error: LiveStopped | undefined): void {
    if (this.#stopped) return;
    this.#stopped = { error };
    this.#wake?.abort();
    this.#fallback.stop();
    this.#connection?.abandon('done');
    this.#commands.breakOff();
    for (const end of this.#ends.splice(0)) end();
    this.#tell();
    for (const feed of this.#feeds.values()) feed.stop(error);
  }

  #tell(): void {
    const status = this.#look();
    const { state, way } = this.#status;
    if (status.state === state && status.way === way) return;
    this.#status = status;
    announce(this.#listeners, (listener) => listener(status));
  }

  #look(): LiveStatus {
    const of = (state: LiveState, way?: LiveStatus['way']): LiveStatus => ({
      state,
      way,
      error: this.#stopped?.error,
    });
    if (this.#stopped) return of('stopped');
    if (!isOnline()) return of('offline');
    if (this.#connection?.is_live) return of('live', 'socket');
    if (this.#fallback.way) return of('fallback', this.#fallback.way);
    return of(this.#fallback.is_out ? 'offline' : 'connecting');
  }
}

const ALL = new WeakMap<Client, Live>();

/** The live connection of a client: one, however often it is asked for. The options of the first time count. */
export function live(client: Client, options?: LiveOptions): Live {
  const known = ALL.get(client);
  if (known && known.status.state !== 'stopped') return known;
  const made = new Live(client, options);
  ALL.set(client, made);
  return made;
}

function commandOf(operation: OperationId, ask: AnyAsk): CommandBody {
  const params = Object.entries(ask.params ?? {}).filter(([, value]) => value !== undefined && value !== null);
  return {
    name: operation,
    ...(ask.key === undefined ? {} : { key: ask.key }),
    ...(params.length === 0 ? {} : { params: Object.fromEntries(params.map(([name, value]) => [name, String(value)])) }),
    ...(ask.body === undefined ? {} : { body: ask.body }),
    ...(ask.version === undefined ? {} : { if_match: ask.version }),
  };
}

/** Whether the browser believes that there is a network. Elsewhere nobody says. */
function isOnline(): boolean {
  return globalThis.navigator?.onLine !== false;
}

/** Whether a problem stands: it is not for now only, not unknown, and not about a token that can be renewed. */
function isDefinite(status: number, code: string): boolean {
  return status !== 503 && status !== 504 && code !== 'invalid_token' && code !== 'authentication_required';
}

function tooManyTopics(): Problem {
  return new Problem({
    type: '/problems/limit_exceeded',
    code: 'limit_exceeded',
    title: 'There are as many as there may be',
    status: 409,
    detail: 'the connection follows as many topics as the server allows',
  });
}
