import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerClock } from '../clock.js';
import { isProblem, Problem, Unreachable } from '../problem.js';
import { SessionKeeper, type SessionChange, type SessionApi } from './keeper.js';
import { memoryStore, type Session, type SessionStore } from './store.js';

const NOW = 1_000_000;
const HOUR = 3_600_000;

/** The session operations of a shop: a refresh token can be used once, and a second use ends the session. */
function fakeApi() {
  const calls: string[] = [];
  const used = new Set<string>();
  let made = 0;
  const session = (subject: string, also: Partial<Session> = {}): Session => {
    made += 1;
    return { token: `t${made}`, refresh_token: `r${made}`, subject, expires_at: at(HOUR), ...also };
  };
  const api: SessionApi = {
    async start(body, token) {
      calls.push('email' in body ? `sign in ${token ?? 'as nobody'}` : 'guest');
      return 'email' in body ? session('account', { role: 'customer' }) : session('guest');
    },
    async register(_, token) {
      calls.push(`register ${token}`);
      return session('guest', { role: 'customer' });
    },
    async refresh(token) {
      calls.push(`refresh ${token}`);
      await Promise.resolve();
      if (used.has(token)) throw problem('invalid_refresh_token');
      used.add(token);
      return session('guest');
    },
    async end(token) {
      calls.push(`end ${token}`);
    },
  };
  return { calls, api, session };
}

const at = (in_ms: number) => new Date(NOW + in_ms).toISOString();
const problem = (code: 'invalid_token' | 'invalid_refresh_token' | 'invalid_credentials') =>
  new Problem({ type: '', code, title: '', status: 401, detail: code });

function keeperOf(api: SessionApi, store: SessionStore = memoryStore()) {
  const changes: SessionChange[] = [];
  const keeper = new SessionKeeper(api, store, new ServerClock(() => NOW));
  keeper.on((_, change) => changes.push(change));
  return { keeper, changes };
}

test('concurrent callers create one guest', async () => {
  const { api, calls } = fakeApi();
  const { keeper, changes } = keeperOf(api);
  const [one, two] = await Promise.all([keeper.start(), keeper.start(), keeper.start()]);
  assert.equal(one.token, two.token);
  assert.deepEqual([calls, changes], [['guest'], ['started']]);
});

test('concurrent callers renew an expiring token once', async () => {
  const { api, calls, session } = fakeApi();
  const { keeper, changes } = keeperOf(api, memoryStore(session('guest', { expires_at: at(30_000) })));
  const tokens = await Promise.all([keeper.fresh(), keeper.fresh(), keeper.start()]);
  assert.deepEqual(tokens.map((session) => session?.token), ['t2', 't2', 't2']);
  assert.deepEqual([calls, changes], [['refresh r1'], ['renewed']]);
});

test('two tabs on one store do not use a refresh token twice', async () => {
  const { api, calls, session } = fakeApi();
  let stored: Session | undefined = session('guest', { expires_at: at(-1) });
  let line: Promise<unknown> = Promise.resolve();
  const shared: SessionStore = {
    load: () => stored,
    save: (session) => void (stored = session),
    exclusively: (work) => {
      const done = line.then(work, work);
      line = done.catch(() => undefined);
      return done;
    },
  };
  const tabs = [keeperOf(api, shared), keeperOf(api, shared)];
  const tokens = await Promise.all(tabs.map(({ keeper }) => keeper.fresh()));
  assert.deepEqual(tokens.map((session) => session?.token), ['t2', 't2']);
  assert.deepEqual(calls, ['refresh r1']);
  assert.deepEqual(tabs.map(({ changes }) => changes[0]), ['renewed', 'adopted']);
});

test('a failed renewal keeps the present token and is not repeated immediately', async () => {
  const { api, session } = fakeApi();
  let calls = 0;
  api.refresh = async () => {
    calls += 1;
    throw new Unreachable('no answer');
  };
  const { keeper } = keeperOf(api, memoryStore(session('guest', { expires_at: at(30_000) })));
  assert.equal((await keeper.fresh())?.token, 't1');
  assert.equal((await keeper.fresh())?.token, 't1');
  assert.equal(calls, 1);
});

test('an ended session is reported, and the next guest has a new session', async () => {
  const { api, session } = fakeApi();
  const { keeper, changes } = keeperOf(api, memoryStore(session('guest', { expires_at: at(-1) })));
  api.refresh = () => Promise.reject(problem('invalid_refresh_token'));
  await assert.rejects(keeper.start(), (error) => isProblem(error, 'invalid_refresh_token'));
  assert.equal(keeper.current, undefined);
  await keeper.start();
  assert.deepEqual(changes, ['ended', 'started']);
});

test('a guest who signs up keeps its subject', async () => {
  const { api, calls } = fakeApi();
  const { keeper, changes } = keeperOf(api);
  const guest = await keeper.start();
  const customer = await keeper.signUp({ email: 'a@example.com', password: 'long enough by far' });
  assert.equal(customer.subject, guest.subject);
  assert.deepEqual([calls, changes], [['guest', 'register t1'], ['started', 'upgraded']]);
});

test('a sign-up without a response is completed by a sign-in', async () => {
  const { api, calls } = fakeApi();
  const { keeper } = keeperOf(api);
  await keeper.start();
  const start = api.start.bind(api);
  // The guest's token was revoked when the guest became an account.
  api.start = (body, token) => {
    if (token) calls.push(`refused ${token}`);
    return token ? Promise.reject(problem('invalid_token')) : start(body, token);
  };
  api.register = () => Promise.reject(new Unreachable('no answer'));
  await keeper.signUp({ email: 'a@example.com', password: 'long enough by far' });
  assert.deepEqual([calls, keeper.current?.role], [['guest', 'refused t1', 'sign in as nobody'], 'customer']);
});

test('a sign-up with an ended session starts a guest session first', async () => {
  const { api, calls, session } = fakeApi();
  const { keeper } = keeperOf(api, memoryStore(session('lost')));
  const register = api.register.bind(api);
  api.register = (body, token) => (token === 't1' ? Promise.reject(problem('invalid_token')) : register(body, token));
  api.refresh = () => Promise.reject(problem('invalid_refresh_token'));
  await keeper.signUp({ email: 'a@example.com', password: 'long enough by far' });
  assert.deepEqual([calls, keeper.current?.role], [['guest', 'register t2'], 'customer']);
});

test('a wrong password is reported to its caller only', async () => {
  const { api } = fakeApi();
  const { keeper } = keeperOf(api);
  const start = api.start.bind(api);
  api.start = async (body, token) => {
    if ('email' in body) throw problem('invalid_credentials');
    return start(body, token);
  };
  const [refused, guest] = await Promise.allSettled([
    keeper.signIn({ email: 'a@example.com', password: 'wrong' }),
    keeper.start(),
  ]);
  assert.equal(refused.status, 'rejected');
  assert.equal(guest.status, 'fulfilled');
});

test('signing out ends the session here even when the shop is out of reach', async () => {
  const { api } = fakeApi();
  const { keeper, changes } = keeperOf(api);
  await keeper.start();
  api.end = () => Promise.reject(new Unreachable('no answer'));
  await keeper.signOut();
  assert.equal(keeper.current, undefined);
  assert.deepEqual(changes, ['started', 'ended']);
});
