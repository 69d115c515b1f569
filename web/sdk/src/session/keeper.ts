// Who we are to the shop: started when it is needed, renewed in time, handed over when a guest gets an account.

import { announce } from '../announce.js';
import type { ServerClock } from '../clock.js';
import type { Manner } from '../contract.js';
import { isProblem, isUnknown } from '../problem.js';
import type { Session, SessionStore } from './store.js';

/** What became of the session. */
export type SessionChange =
  /** A guest, or someone who signed in without having been one. */
  | 'started'
  /** The same person with a newer token. */
  | 'renewed'
  /** The guest has an account now, and everything it had before. */
  | 'upgraded'
  /** Another tab has changed it. */
  | 'adopted'
  /** It is over: signed out, expired, or ended elsewhere. */
  | 'ended';

/** An e-mail address and a password. */
export interface Credentials {
  email: string;
  password: string;
}

/** How often is asked for a session, and who is told before each repetition. */
export type Patience = Pick<Manner, 'retry' | 'waiting'>;

/** The operations on sessions, as the shop offers them. */
export interface SessionDoors {
  start(body: Credentials | Record<string, never>, token?: string, manner?: Patience): Promise<Session>;
  register(body: Credentials, token: string): Promise<Session>;
  refresh(refresh_token: string): Promise<Session>;
  end(token: string): Promise<void>;
}

/** A token is renewed when it ends within this time: a request under way should not see it end. */
const RENEW_BEFORE_MS = 60_000;
/** After a renewal without an answer the present token is used for so long before the next try. */
const RENEW_AGAIN_MS = 15_000;

/** Keeps the session of one client. */
export class SessionKeeper {
  readonly #doors: SessionDoors;
  readonly #store: SessionStore;
  readonly #clock: ServerClock;
  readonly #listeners = new Set<(session: Session | undefined, change: SessionChange) => void>();
  #current: Session | undefined;
  #under_way: { work: Promise<Session | undefined>; shared: boolean } | undefined;
  #renew_again_at = 0;
  readonly #unwatch: (() => void) | undefined;

  constructor(doors: SessionDoors, store: SessionStore, clock: ServerClock) {
    this.#doors = doors;
    this.#store = store;
    this.#clock = clock;
    this.#current = store.load();
    this.#unwatch = store.watch?.(() => this.#adopt());
  }

  /** The session there is, whether or not its token is still good. */
  get current(): Session | undefined {
    return this.#current;
  }

  /** Hears of every change. Returns what ends that. */
  on(listener: (session: Session | undefined, change: SessionChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The session, with a token that is good for a while: a new guest's when there is none. */
  async start(manner: Patience = {}): Promise<Session> {
    return (
      (await this.fresh()) ??
      (await this.#alone(async () => this.#take(await this.#doors.start({}, undefined, manner), 'started'))) ??
      this.start(manner)
    );
  }

  /** The session, renewed if its token ends soon. `undefined` when there is none. */
  async fresh(): Promise<Session | undefined> {
    const session = this.#current;
    const left_ms = session ? Date.parse(session.expires_at) - this.#clock.now() : Infinity;
    if (!session || !session.refresh_token || left_ms > RENEW_BEFORE_MS) return session;
    if (left_ms > 0 && this.#clock.local() < this.#renew_again_at) return session;
    try {
      return await this.renew(session.token);
    } catch (error) {
      // Whether the refresh token is used up is not known, and using it twice would end the session: as long as there is
      // a good token, it is better to go on with that.
      if (left_ms <= 0 || isProblem(error, 'invalid_refresh_token')) throw error;
      this.#renew_again_at = this.#clock.local() + RENEW_AGAIN_MS;
      return session;
    }
  }

  /**
   * A newer token than `stale`, one refresh for all who ask. `undefined` when the session cannot be renewed and is over;
   * rejects with `invalid_refresh_token` when it turns out to be over.
   */
  async renew(stale: string): Promise<Session | undefined> {
    if (this.#current?.token !== stale) return this.#current;
    return this.#alone(async () => {
      const { refresh_token } = this.#current ?? {};
      if (this.#current?.token !== stale) return this.#current;
      if (!refresh_token) return this.#take(undefined, 'ended');
      try {
        return this.#take(await this.#doors.refresh(refresh_token), 'renewed');
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

  /** Makes an account. What the guest has stays its own: it is the same subject. */
  async signUp(credentials: Credentials): Promise<Session> {
    const { token } = await this.start();
    try {
      return await this.#register(credentials, token);
    } catch (error) {
      if (!isProblem(error, 'invalid_token')) throw error;
      // A guest whose session is over has nothing left to keep.
      const renewed = await this.renew(token).catch(() => undefined);
      return this.#register(credentials, (renewed ?? (await this.start())).token);
    }
  }

  async #register(credentials: Credentials, token: string): Promise<Session> {
    const made = await this.#alone(async () => {
      try {
        return this.#take(await this.#doors.register(credentials, token), 'upgraded');
      } catch (error) {
        if (!isUnknown(error)) throw error;
        // Signing in tells whether the account was made. If it was, the guest's token has ended with it.
        const session = await this.#doors
          .start(credentials, token)
          .catch((why) => (isProblem(why, 'invalid_token') ? this.#doors.start(credentials) : Promise.reject(why)))
          .catch(() => Promise.reject(error));
        return this.#take(session, 'upgraded');
      }
    }, true);
    return made ?? this.signUp(credentials);
  }

  /** Signs in. What the guest has is the account's from then on. */
  async signIn(credentials: Credentials): Promise<Session> {
    const guest = await this.fresh().catch(() => undefined);
    const signed_in = await this.#alone(async () => {
      try {
        return this.#take(await this.#doors.start(credentials, guest?.token), guest ? 'upgraded' : 'started');
      } catch (error) {
        if (!guest || !isProblem(error, 'invalid_token')) throw error;
        return this.#take(await this.#doors.start(credentials), 'started');
      }
    }, true);
    return signed_in ?? this.signIn(credentials);
  }

  /** Ends the session, here at once and at the shop if it can be reached. */
  async signOut(): Promise<void> {
    const session = this.#current;
    this.forget();
    if (session) await this.#doors.end(session.token).catch(() => undefined);
  }

  /** Forgets the session without telling the shop: it has been erased, or is somebody else's now. */
  forget(): void {
    if (this.#current) this.#take(undefined, 'ended');
  }

  /** Stops listening to other tabs. */
  close(): void {
    this.#unwatch?.();
    this.#listeners.clear();
  }

  /**
   * Does `work`, one at a time here and among all tabs. Unless it is for its caller only (`mine`), what others have done
   * meanwhile stands in its place: they all wanted a good session.
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
