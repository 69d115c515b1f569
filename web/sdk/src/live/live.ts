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

/** Statuses of a refused subscription after which the client retries automatically. */
const REFUSED_FOR_NOW = [429, 500, 503, 504];
/** The position of that retry in the backoff: a busy server gets a pause of some seconds. */
const REFUSED_WAIT = 3;

/** The number of subscriptions to send with `hello`, before the server has sent its limits. */
const SUBSCRIPTIONS_AT_FIRST = 16;
/** A connection that lasted this long resets the count of consecutive failures. */
const GOOD_AFTER_MS = 10_000;

/** The live connection of a client. It connects when a topic gets its first listener, or by `connect`. */
export class Live {
  readonly #client: Client;
  readonly #settings: LiveSettings;
  readonly #feeds = new Map<string, TopicFeed>();
  /** Topics to which the present connection has subscribed. */
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
  /** The session has changed: reconnect at once. */
  #come_back = false;
  /** The subject of the present or the next connection. */
  #subject: string | undefined;
  /** The browser was offline, so a connection made before that may be dead. */
  #network_was_away = false;
  /** Whether a token was refused since the last welcome. */
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

  /** The current status. */
  get status(): LiveStatus {
    return this.#status;
  }

  /** Calls `listener` with the status, at once and at every change, until the returned function is called. */
  onStatus(listener: (status: LiveStatus) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#status);
    return () => void this.#listeners.delete(listener);
  }

  /** Returns a topic. The same name returns the same topic. */
  topic<N extends TopicName>(name: N): Topic<N> {
    const known = this.#feeds.get(name);
    if (known) return known as unknown as Topic<N>;
    // Deferred to the end of the turn: a listener that is removed and added again within the turn has not left.
    const feed = new TopicFeed(name, () => queueMicrotask(() => this.#follow(feed)));
    this.#feeds.set(name, feed as unknown as TopicFeed);
    return feed;
  }

  /** Connects now, so that the first topic or command need not wait for the connection. */
  connect(): void {
    if (this.#started || this.#stopped) return;
    this.#started = true;
    this.#ends.push(this.#client.session.on((session) => this.#sessionChanged(session)));
    for (const name of ['online', 'offline']) {
      const onChange = () => this.#networkChanged();
      globalThis.addEventListener?.(name, onChange);
      this.#ends.push(() => globalThis.removeEventListener?.(name, onChange));
    }
    void this.#run();
  }

  /** Closes the connection permanently. */
  close(): void {
    this.#stop(undefined);
  }

  /**
   * Carries out an operation over the socket. If the socket is not open, or breaks before the reply, the operation is
   * sent over REST with the same key, so that it is carried out once. Resolves and rejects like `client.call`.
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
        // An overloaded server must not be asked again at once over REST: the problem counts as the first attempt.
        if (problem.status >= 500) ask.failure = problem;
      }
    }
    return this.#client.call(operation, ...([ask] as unknown as AskArguments<Op>));
  }

  /** Returns whether a command can be sent over the socket. */
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

  /** Subscribes to a wanted topic, and unsubscribes from an unwanted one. */
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
      // Before the welcome the limit is not known: the subscription is tried again after it.
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

  /** Opens a socket and returns at its end. Returns `undefined` if no socket could be opened. */
  async #connectOnce(): Promise<End | undefined> {
    const { WebSocket, client, welcome_ms_max } = this.#settings;
    if (!WebSocket) return undefined;
    this.#tell();
    try {
      const session = await this.#client.session.fresh().catch((error: unknown) => {
        // The session has ended; public data is still available.
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
        receive: (frame) => this.#receive(connection, frame),
      });
      this.#subject = session?.subject;
      this.#connection = connection;
      return await connection.ended;
    } catch {
      // The session cannot be renewed now, or the URL is not valid for sockets.
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

  #receive(connection: Connection, frame: ServerFrame): void {
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
    // The server sends a welcome after `auth`, too: topics that were refused may be accessible now.
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
    // A failure does no harm yet: the server reports an expired token, and the renewal is tried again.
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
    // An anonymous connection can get a session, and a guest's connection the account of the guest. A connection is
    // never reused for another person.
    const goes_on = before === undefined || before === session?.subject || session?.role !== undefined;
    if (session && connection.is_live && goes_on) return this.#authenticate(connection, session.token);
    this.#come_back = true;
    connection.abandon('the session is another');
  }

  /**
   * Returns whether the client must not reconnect. If the token was refused, the client retries once with a newer
   * token.
   */
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
      // A connection from before is most likely dead, and would take a minute to detect that.
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

/** Returns the live connection of a client. There is one per client; the options of the first call count. */
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

/** Returns whether the browser reports a network. Other environments report nothing and count as online. */
function isOnline(): boolean {
  return globalThis.navigator?.onLine !== false;
}

/**
 * Returns whether a problem is final: not temporary, not an unknown outcome, and not about a token that can be renewed.
 */
function isDefinite(status: number, code: string): boolean {
  return status !== 503 && status !== 504 && code !== 'invalid_token' && code !== 'authentication_required';
}

function tooManyTopics(): Problem {
  return new Problem({
    type: '/problems/limit_exceeded',
    code: 'limit_exceeded',
    title: 'A limit is reached',
    status: 409,
    detail: 'the connection has reached its maximum number of topics',
  });
}
