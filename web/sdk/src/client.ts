// The client of a shop: every operation of its REST API, typed, with session handling.

import { ServerClock } from './clock.js';
import type { Answer, AnswerOf, AskArguments, OperationId } from './contract.js';
import { isProblem } from './problem.js';
import { attempt, type Attempt, type Line } from './rest/attempt.js';
import { toRequest, type AnyAsk } from './rest/request.js';
import { RETRY_DEFAULTS, untilAnswered, type RetryPolicy } from './rest/retry.js';
import { ROUTES, type Route } from './routes.js';
import { SessionKeeper, type SessionApi } from './session/keeper.js';
import { memoryStore, type Session, type SessionStore } from './session/store.js';

/** The options of a client. */
export interface ClientOptions {
  /** The URL of the shop: `https://shop.example`. Default: in a browser, the origin of the page. */
  url?: string;
  /** The tenant, if the URL does not identify it. */
  tenant?: string;
  /** The storage of the session. Default: in memory. `localStore()` keeps the session between visits. */
  store?: SessionStore;
  /** An access token from elsewhere (`fusion token`), instead of a stored session. It cannot be renewed. */
  token?: string;
  /**
   * Whether to start a guest session when an operation needs a session. A function is called each time. Default: yes.
   */
  guests?: boolean | (() => boolean);
  /** The retry policy. */
  retry?: Partial<RetryPolicy>;
  /** The timeout of an attempt, in milliseconds. Default: 15 seconds. */
  attempt_ms_max?: number;
  /** A replacement for the global `fetch`. */
  fetch?: typeof fetch;
}

const ATTEMPT_MS_MAX = 15_000;

/**
 * Operations without a key that may be repeated nevertheless: at worst, a repetition creates an unused guest session or
 * sends a second reset mail.
 */
const REPEATABLE: readonly string[] = ['create_session', 'create_password_reset'] satisfies OperationId[];

/** The client of one shop, with one session. */
export class Client {
  /** The URL of the shop, without a trailing slash. */
  readonly url: string;
  readonly clock = new ServerClock();
  readonly session: SessionKeeper;
  readonly #tenant: string | undefined;
  readonly #guests: () => boolean;
  readonly #policy: RetryPolicy;
  readonly #line: Line;
  /** The newest renewal and its idempotency key. */
  #renewal: { refresh_token: string; key: string } | undefined;

  constructor(options: ClientOptions = {}) {
    const { url = globalThis.location?.origin, tenant, guests = true, token } = options;
    if (!url) throw new TypeError('the URL of the shop is required: { url }');
    this.url = url.replace(/\/+$/, '');
    this.#tenant = tenant;
    this.#guests = typeof guests === 'function' ? guests : () => guests;
    this.#policy = { ...RETRY_DEFAULTS, ...options.retry };
    const reach = options.fetch ?? globalThis.fetch;
    this.#line = {
      // Wrapped in a function: the global `fetch` throws when it is called as a method of another object.
      fetch: (...ask) => reach(...ask),
      clock: this.clock,
      attempt_ms_max: options.attempt_ms_max ?? ATTEMPT_MS_MAX,
    };
    const store = token ? memoryStore(sessionOf(token)) : (options.store ?? memoryStore());
    this.session = new SessionKeeper(this.#sessionApi(), store, this.clock);
  }

  /**
   * Calls an operation and returns the body of the response.
   *
   * Rejects with {@link Problem} when the shop refuses, and with {@link Unreachable} when no attempt got a response.
   * `isUnknown` returns whether the command may have been carried out; a repetition with `error.key` is safe.
   */
  async call<Op extends OperationId>(operation: Op, ...[ask]: AskArguments<Op>): Promise<AnswerOf<Op>> {
    return (await this.#ask(operation, ask ?? {})).body as AnswerOf<Op>;
  }

  /**
   * Like `call`, but also returns the values of the headers. The body is `undefined` if nothing has changed since
   * `etag`.
   */
  async ask<Op extends OperationId>(
    operation: Op,
    ...[ask]: AskArguments<Op>
  ): Promise<Answer<AnswerOf<Op> | undefined>> {
    return (await this.#ask(operation, ask ?? {})) as Answer<AnswerOf<Op> | undefined>;
  }

  /** Sends a request that is not an operation, with the current session. Used for streams. */
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
      // Public data is available without a session.
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
    let failure = ask.failure;
    delete ask.failure;
    const make = async (): Promise<Attempt> => {
      if (!failure) return attempt(this.#line, request, ask.signal);
      const problem = failure;
      failure = undefined;
      return { kind: 'not_now', problem };
    };
    const policy = { ...this.#policy, ...ask.retry };
    const { status, body, headers } = await untilAnswered(make, repeatable, policy, ask.signal, ask.waiting);
    const said = (name: string) => headers.get(name) ?? undefined;
    const replayed = said('idempotency-replayed') === 'true';
    return { status, body, etag: said('etag'), location: said('location'), replayed, key };
  }

  #sessionApi(): SessionApi {
    const session = (answer: Answer<unknown>) => answer.body as Session;
    return {
      start: async (body, token, { retry, waiting } = {}) => {
        const manner = { ...(retry ? { retry } : {}), ...(waiting ? { waiting } : {}) };
        return session(await this.#send('create_session', { body, ...manner }, undefined, token));
      },
      register: async (body, token) => session(await this.#send('create_account', { body }, undefined, token)),
      refresh: async (refresh_token) => {
        // A refresh token can be used once. With the same key, a lost response can be requested again.
        if (this.#renewal?.refresh_token !== refresh_token) this.#renewal = { refresh_token, key: newKey() };
        return session(await this.#send('refresh_session', { body: { refresh_token } }, this.#renewal.key, undefined));
      },
      end: async (token) => void (await this.#send('end_session', {}, undefined, token)),
    };
  }
}

/** Creates a client of the shop at `options.url`. */
export function createClient(options?: ClientOptions): Client {
  return new Client(options);
}

/** Returns a new idempotency key. Use one key per command, and the same key for each repetition of the command. */
export function newKey(): string {
  if (globalThis.crypto.randomUUID) return globalThis.crypto.randomUUID();
  // Pages that were not loaded over HTTPS have no `randomUUID`.
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Returns the claims in a token (RFC 7519): its subject, expiry and role. */
function sessionOf(token: string): Session {
  try {
    const part = token.split('.')[1] ?? '';
    const { sub, exp, role } = JSON.parse(atob(part.replace(/-/g, '+').replace(/_/g, '/')));
    return { token, subject: String(sub), expires_at: new Date(exp * 1000).toISOString(), ...(role ? { role } : {}) };
  } catch {
    throw new TypeError('the token was not issued by a shop');
  }
}
