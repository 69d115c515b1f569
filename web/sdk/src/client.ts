// The client of a shop: every operation of its REST API, typed, with the session that it needs.

import { ServerClock } from './clock.js';
import type { Answer, AnswerOf, AskArguments, OperationId } from './contract.js';
import { isProblem } from './problem.js';
import { attempt, type Attempt, type Line } from './rest/attempt.js';
import { toRequest, type AnyAsk } from './rest/request.js';
import { RETRY_DEFAULTS, untilAnswered, type RetryPolicy } from './rest/retry.js';
import { ROUTES, type Route } from './routes.js';
import { SessionKeeper, type SessionDoors } from './session/keeper.js';
import { memoryStore, type Session, type SessionStore } from './session/store.js';

/** How a client is made. */
export interface ClientOptions {
  /** The shop's address: `https://shop.example`. In a browser the page's own when it is left out. */
  url?: string;
  /** The shop's name, where its address does not tell. */
  tenant?: string;
  /** Where the session is kept. In memory when it is left out; `localStore()` keeps it between visits. */
  store?: SessionStore;
  /** A token from elsewhere (`fusion token`), in place of a kept session. It cannot be renewed. */
  token?: string;
  /** Whether a guest's session is started when an operation needs one; a function is asked each time. Default: yes. */
  guests?: boolean | (() => boolean);
  /** How often is asked again. */
  retry?: Partial<RetryPolicy>;
  /** After how long without an answer an attempt counts as failed. Default: 15 seconds. */
  attempt_ms_max?: number;
  /** In place of the global one. */
  fetch?: typeof fetch;
}

const ATTEMPT_MS_MAX = 15_000;

/** Operations without a key that may be repeated nevertheless: the worst that comes of it is a guest who never acts. */
const REPEATABLE: readonly string[] = ['create_session', 'create_password_reset'] satisfies OperationId[];

/** Talks to one shop as one person. */
export class Client {
  /** The shop's address, without a slash at the end. */
  readonly url: string;
  readonly clock = new ServerClock();
  readonly session: SessionKeeper;
  readonly #tenant: string | undefined;
  readonly #guests: () => boolean;
  readonly #policy: RetryPolicy;
  readonly #line: Line;
  /** The newest renewal, and the key that it goes by. */
  #renewal: { refresh_token: string; key: string } | undefined;

  constructor(options: ClientOptions = {}) {
    const { url = globalThis.location?.origin, tenant, guests = true, token } = options;
    if (!url) throw new TypeError('the address of the shop is missing: { url }');
    this.url = url.replace(/\/+$/, '');
    this.#tenant = tenant;
    this.#guests = typeof guests === 'function' ? guests : () => guests;
    this.#policy = { ...RETRY_DEFAULTS, ...options.retry };
    const reach = options.fetch ?? globalThis.fetch;
    this.#line = {
      // Called as a function of its own: the global one refuses to be a method of something else.
      fetch: (...ask) => reach(...ask),
      clock: this.clock,
      attempt_ms_max: options.attempt_ms_max ?? ATTEMPT_MS_MAX,
    };
    const store = token ? memoryStore(sessionOf(token)) : (options.store ?? memoryStore());
    this.session = new SessionKeeper(this.#doors(), store, this.clock);
  }

  /**
   * Calls an operation, and gives what it answers.
   *
   * Rejects with {@link Problem} when the shop refuses, and with {@link Unreachable} when no answer arrived in all
   * attempts; `isUnknown` tells whether the command may have been carried out, and `error.key` asks again.
   */
  async call<Op extends OperationId>(operation: Op, ...[ask]: AskArguments<Op>): Promise<AnswerOf<Op>> {
    return (await this.#ask(operation, ask ?? {})).body as AnswerOf<Op>;
  }

  /** Like `call`, with what the headers say. Its body is `undefined` when nothing has changed since `etag`. */
  async ask<Op extends OperationId>(
    operation: Op,
    ...[ask]: AskArguments<Op>
  ): Promise<Answer<AnswerOf<Op> | undefined>> {
    return (await this.#ask(operation, ask ?? {})) as Answer<AnswerOf<Op> | undefined>;
  }

  /** A request that is not an operation, as whoever we are: for streams. */
  async fetch(path: string, init: { headers?: Record<string, string>; signal?: AbortSignal } = {}): Promise<Response> {
    const token = (await this.session.fresh())?.token;
    const headers = { ...init.headers };
    if (token) headers['authorization'] = `Bearer ${token}`;
    else if (this.#tenant) headers['fusion-tenant'] = this.#tenant;
    return this.#line.fetch(this.url + path, { ...init, headers, cache: 'no-store' });
  }

  async #ask(operation: OperationId, ask: AnyAsk): Promise<Answer<unknown>> {
    const route: Route = ROUTES[operation];
    const key = route.key ? (ask.key ?? newKey()) : undefined;
    const token = ask.anonymous ? undefined : await this.#tokenFor(route, ask);
    try {
      return await this.#send(operation, ask, key, token);
    } catch (error) {
      if (!token || !isProblem(error, 'invalid_token')) throw error;
      const renewed = await this.#renewed(route, token);
      if (!renewed && route.token === 'required') throw error;
      return await this.#send(operation, ask, key, renewed);
    }
  }

  async #tokenFor(route: Route, ask: AnyAsk): Promise<string | undefined> {
    if (route.token === 'none') return undefined;
    if (route.token === 'required' && this.#guests()) return (await this.session.start(ask)).token;
    try {
      return (await this.session.fresh())?.token;
    } catch (error) {
      // What everyone may see is seen without a session, too.
      if (route.token === 'optional' && isProblem(error, 'invalid_refresh_token')) return undefined;
      throw error;
    }
  }

  async #renewed(route: Route, stale: string): Promise<string | undefined> {
    try {
      return (await this.session.renew(stale))?.token;
    } catch (error) {
      if (route.token === 'optional' && isProblem(error, 'invalid_refresh_token')) return undefined;
      throw error;
    }
  }

  async #send(
    operation: OperationId,
    ask: AnyAsk,
    key: string | undefined,
    token: string | undefined,
  ): Promise<Answer<unknown>> {
    const route: Route = ROUTES[operation];
    const request = toRequest(route, ask, { base: this.url, tenant: this.#tenant, token, key });
    const repeatable = route.method !== 'POST' || key !== undefined || REPEATABLE.includes(operation);
    let told = ask.told;
    delete ask.told;
    const make = async (): Promise<Attempt> => {
      if (!told) return attempt(this.#line, request, ask.signal);
      const problem = told;
      told = undefined;
      return { kind: 'not_now', problem };
    };
    const policy = { ...this.#policy, ...ask.retry };
    const { status, body, headers } = await untilAnswered(make, repeatable, policy, ask.signal, ask.waiting);
    const said = (name: string) => headers.get(name) ?? undefined;
    const replayed = said('idempotency-replayed') === 'true';
    return { status, body, etag: said('etag'), location: said('location'), replayed, key };
  }

  #doors(): SessionDoors {
    const session = (answer: Answer<unknown>) => answer.body as Session;
    return {
      start: async (body, token, { retry, waiting } = {}) => {
        const manner = { ...(retry ? { retry } : {}), ...(waiting ? { waiting } : {}) };
        return session(await this.#send('create_session', { body, ...manner }, undefined, token));
      },
      register: async (body, token) => session(await this.#send('create_account', { body }, undefined, token)),
      refresh: async (refresh_token) => {
        // A refresh token is good once; by the same key its answer can be had again.
        if (this.#renewal?.refresh_token !== refresh_token) this.#renewal = { refresh_token, key: newKey() };
        return session(await this.#send('refresh_session', { body: { refresh_token } }, this.#renewal.key, undefined));
      },
      end: async (token) => void (await this.#send('end_session', {}, undefined, token)),
    };
  }
}

/** A client of the shop at `options.url`. */
export function createClient(options?: ClientOptions): Client {
  return new Client(options);
}

/** A new idempotency key: one for each new command, the same one for each repetition. */
export function newKey(): string {
  if (globalThis.crypto.randomUUID) return globalThis.crypto.randomUUID();
  // Pages that did not come by https have no randomUUID.
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What a token says of itself (RFC 7519): whose it is, and until when. */
function sessionOf(token: string): Session {
  try {
    const part = token.split('.')[1] ?? '';
    const { sub, exp, role } = JSON.parse(atob(part.replace(/-/g, '+').replace(/_/g, '/')));
    return { token, subject: String(sub), expires_at: new Date(exp * 1000).toISOString(), ...(role ? { role } : {}) };
  } catch {
    throw new TypeError('the token is not one of a shop');
  }
}
