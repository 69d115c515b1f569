// The session of a client: started when needed, renewed in time, transferred when a guest gets an account.

import { announce } from '../announce.js';
import type { ServerClock } from '../clock.js';
import type { Manner } from '../contract.js';
import { isProblem, isUnknown } from '../problem.js';
import type { Session, SessionStore } from './store.js';

/** A change of the session. */
export type SessionChange =
  /** A new guest, or a sign-in without a previous guest session. */
  | 'started'
  /** The same person with a newer token. */
  | 'renewed'
  /** The guest has become an account and keeps everything. */
  | 'upgraded'
  /** Another tab has changed the session. */
  | 'adopted'
  /** The session has ended: by sign-out, expiry, or elsewhere. */
  | 'ended';

/** An e-mail address and a password. */
export interface Credentials {
  email: string;
  password: string;
}

/** The retry policy for requests of a session, and the callback before each retry. */
export type Patience = Pick<Manner, 'retry' | 'waiting'>;

/** The session operations of the shop. */
export interface SessionApi {
  start(body: Credentials | Record<string, never>, token?: string, manner?: Patience): Promise<Session>;
  register(body: Credentials, token: string): Promise<Session>;
  refresh(refresh_token: string): Promise<Session>;
  end(token: string): Promise<void>;
}

/** A token is renewed when it expires within this time, so that it does not expire during a request. */
const RENEW_BEFORE_MS = 60_000;
/** After a renewal without a response, the present token is used for this long before the next attempt. */
const RENEW_AGAIN_MS = 15_000;

/** Keeps the session of one client. */
export class SessionKeeper {
  readonly #api: SessionApi;
  readonly #store: SessionStore;
  readonly #clock: ServerClock;
  readonly #listeners = new Set<(session: Session | undefined, change: SessionChange) => void>();
  #current: Session | undefined;
  #under_way: { work: Promise<Session | undefined>; shared: boolean } | undefined;
  #renew_again_at = 0;
  readonly #unwatch: (() => void) | undefined;

  constructor(api: SessionApi, store: SessionStore, clock: ServerClock) {
    this.#api = api;
    this.#store = store;
    this.#clock = clock;
    this.#current = store.load();
    this.#unwatch = store.watch?.(() => this.#adopt());
  }

  /** The present session, whether or not its token is still valid. */
  get current(): Session | undefined {
    return this.#current;
  }

  /** Calls `listener` at every change. The returned function removes it. */
  on(listener: (session: Session | undefined, change: SessionChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Returns a session with a valid token; starts a guest session if there is none. */
  async start(manner: Patience = {}): Promise<Session> {
    return (
      (await this.fresh()) ??
      (await this.#alone(async () => this.#take(await this.#api.start({}, undefined, manner), 'started'))) ??
      this.start(manner)
    );
  }

  /** Returns the session, renewed if its token expires soon; `undefined` if there is none. */
  async fresh(): Promise<Session | undefined> {
    const session = this.#current;
    const left_ms = session ? Date.parse(session.expires_at) - this.#clock.now() : Infinity;
    if (!session || !session.refresh_token || left_ms > RENEW_BEFORE_MS) return session;
    if (left_ms > 0 && this.#clock.local() < this.#renew_again_at) return session;
    try {
      return await this.renew(session.token);
    } catch (error) {
      // It is unknown whether the refresh token was used, and a second use would end the session. While the present
      // token is valid, it is safer to go on using it.
      if (left_ms <= 0 || isProblem(error, 'invalid_refresh_token')) throw error;
      this.#renew_again_at = this.#clock.local() + RENEW_AGAIN_MS;
      return session;
    }
  }

  /**
   * Returns a newer token than `stale`, with one refresh for all concurrent callers. Returns `undefined` if the session
   * cannot be renewed and has ended; rejects with `invalid_refresh_token` if the server reports that it has ended.
   */
  async renew(stale: string): Promise<Session | undefined> {
    if (this.#current?.token !== stale) return this.#current;
    return this.#alone(async () => {
      const { refresh_token } = this.#current ?? {};
      if (this.#current?.token !== stale) return this.#current;
      if (!refresh_token) return this.#take(undefined, 'ended');
      try {
        return this.#take(await this.#api.refresh(refresh_token), 'renewed');
      } catch (error) {
        if (isProblem(error, 'invalid_refresh_token')) {
          this.#adopt();
          if (this.#current && this.#current.token !== stale) return this.#current;
          this.#take(undefined, 'ended');
        }
        throw error;
      }
    });
  }

  /** Creates an account. The guest's carts, claims and orders stay, because the subject is the same. */
  async signUp(credentials: Credentials): Promise<Session> {
    const { token } = await this.start();
    try {
      return await this.#register(credentials, token);
    } catch (error) {
      if (!isProblem(error, 'invalid_token')) throw error;
      // A guest whose session has ended has nothing to keep.
      const renewed = await this.renew(token).catch(() => undefined);
      return this.#register(credentials, (renewed ?? (await this.start())).token);
    }
  }

  async #register(credentials: Credentials, token: string): Promise<Session> {
    const made = await this.#alone(async () => {
      try {
        return this.#take(await this.#api.register(credentials, token), 'upgraded');
      } catch (error) {
        if (!isUnknown(error)) throw error;
        // Signing in shows whether the account was created. If it was, the guest's token has been revoked.
        const session = await this.#api
          .start(credentials, token)
          .catch((why) => (isProblem(why, 'invalid_token') ? this.#api.start(credentials) : Promise.reject(why)))
          .catch(() => Promise.reject(error));
        return this.#take(session, 'upgraded');
      }
    }, true);
    return made ?? this.signUp(credentials);
  }

  /** Signs in. Everything of the guest then belongs to the account. */
  async signIn(credentials: Credentials): Promise<Session> {
    const guest = await this.fresh().catch(() => undefined);
    const signed_in = await this.#alone(async () => {
      try {
        return this.#take(await this.#api.start(credentials, guest?.token), guest ? 'upgraded' : 'started');
      } catch (error) {
        if (!guest || !isProblem(error, 'invalid_token')) throw error;
        return this.#take(await this.#api.start(credentials), 'started');
      }
    }, true);
    return signed_in ?? this.signIn(credentials);
  }

  /** Ends the session: locally at once, and on the server if it can be reached. */
  async signOut(): Promise<void> {
    const session = this.#current;
    this.forget();
    if (session) await this.#api.end(session.token).catch(() => undefined);
  }

  /** Removes the session without a request to the shop, because it was erased or now belongs to another person. */
  forget(): void {
    if (this.#current) this.#take(undefined, 'ended');
  }

  /** Stops listening to other tabs. */
  close(): void {
    this.#unwatch?.();
    this.#listeners.clear();
  }

  /**
   * Runs `work` exclusively, in this tab and across tabs. Unless `work` is for its caller only (`mine`), the result of
   * work that others finished meanwhile is returned instead: all of them need a valid session.
   */
  async #alone(work: () => Promise<Session | undefined>, mine = false): Promise<Session | undefined> {
    while (this.#under_way) {
      const other = this.#under_way;
      if (other.shared && !mine) return other.work;
      await other.work.catch(() => undefined);
    }
    const before = this.#current?.token;
    const done = this.#store.exclusively(async () => {
      this.#adopt();
      const others = this.#current && this.#current.token !== before;
      return others && !mine ? this.#current : work();
    });
    this.#under_way = { work: done, shared: !mine };
    try {
      return await done;
    } finally {
      this.#under_way = undefined;
    }
  }

  #adopt(): void {
    const stored = this.#store.load();
    if (stored?.token === this.#current?.token) return;
    this.#current = stored;
    this.#tell(stored ? 'adopted' : 'ended');
  }

  #take(session: Session | undefined, change: SessionChange): Session | undefined {
    this.#current = session;
    this.#renew_again_at = 0;
    this.#store.save(session);
    this.#tell(change);
    return session;
  }

  #tell(change: SessionChange): void {
    announce(this.#listeners, (listener) => listener(this.#current, change));
  }
}
