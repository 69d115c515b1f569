import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerClock } from '../clock.js';
import { isProblem, Problem, Unreachable } from '../problem.js';
import { SessionKeeper, type SessionChange, type SessionDoors } from './keeper.js';
import { memoryStore, type Session, type SessionStore } from './store.js';

const NOW = 1_000_000;
const HOUR = 3_600_000;

/** The session operations of a shop: a refresh token can be used once, and a second use ends the session. */
function doors() {
  const asked: string[] = [];
  const used = new Set<string>();
  let made = 0;
  const session = (subject: string, also: Partial<Session> = {}): Session => {
    made += 1;
    return { token: `t${made}`, refresh_token: `r${made}`, subject, expires_at: at(HOUR), ...also };
  };
  const opened: SessionDoors = {
    async start(body, token) {
      asked.push('email' in body ? `sign in ${token ?? 'as nobody'}` : 'guest');
      return 'email' in body ? session('account', { role: 'customer' }) : session('guest');
    },
    async register(_, token) {
      asked.push(`register ${token}`);
      return session('guest', { role: 'customer' });
    },
    async refresh(token) {
      asked.push(`refresh ${token}`);
      await Promise.resolve();
      if (used.has(token)) throw problem('invalid_refresh_token');
      used.add(token);
      return session('guest');
    },
    async end(token) {
      asked.push(`end ${token}`);
    },
  };
  return { asked, doors: opened, session };
}

const at = (in_ms: number) => new Date(NOW + in_ms).toISOString();
const problem = (code: 'invalid_token' | 'invalid_refresh_token' | 'invalid_credentials') =>
  new Problem({ type: '', code, title: '', status: 401, detail: code });

function keeperOf(doors: SessionDoors, store: SessionStore = memoryStore()) {
  const changes: SessionChange[] = [];
  const keeper = new SessionKeeper(doors, store, new ServerClock(() => NOW));
  keeper.on((_, change) => changes.push(change));
  return { keeper, changes };
}

test('a guest is made once, whoever needs one', async () => {
  const { doors: opened, asked } = doors();
  const { keeper, changes } = keeperOf(opened);
  const [one, two] = await Promise.all([keeper.start(), keeper.start(), keeper.start()]);
  assert.equal(one.token, two.token);
  assert.deepEqual([asked, changes], [['guest'], ['started']]);
});

test('a token that ends soon is renewed once, whoever asks', async () => {
  const { doors: opened, asked, session } = doors();
  const { keeper, changes } = keeperOf(opened, memoryStore(session('guest', { expires_at: at(30_000) })));
  const tokens = await Promise.all([keeper.fresh(), keeper.fresh(), keeper.start()]);
  assert.deepEqual(tokens.map((session) => session?.token), ['t2', 't2', 't2']);
  assert.deepEqual([asked, changes], [['refresh r1'], ['renewed']]);
});

test('two tabs on one store do not use a refresh token twice', async () => {
  const { doors: opened, asked, session } = doors();
  let kept: Session | undefined = session('guest', { expires_at: at(-1) });
  let line: Promise<unknown> = Promise.resolve();
  const shared: SessionStore = {
    load: () => kept,
    save: (session) => void (kept = session),
    exclusively: (work) => {
      const done = line.then(work, work);
      line = done.catch(() => undefined);
      return done;
    },
  };
  const tabs = [keeperOf(opened, shared), keeperOf(opened, shared)];
  const tokens = await Promise.all(tabs.map(({ keeper }) => keeper.fresh()));
  assert.deepEqual(tokens.map((session) => session?.token), ['t2', 't2']);
  assert.deepEqual(asked, ['refresh r1']);
  assert.deepEqual(tabs.map(({ changes }) => changes[0]), ['renewed', 'adopted']);
});

test('a renewal without an answer leaves the present token in use, and is not repeated at once', async () => {
  const { doors: opened, session } = doors();
  let asked = 0;
  opened.refresh = async () => {
    asked += 1;
    throw new Unreachable('no answer');
  };
  const { keeper } = keeperOf(opened, memoryStore(session('guest', { expires_at: at(30_000) })));
  assert.equal((await keeper.fresh())?.token, 't1');
  assert.equal((await keeper.fresh())?.token, 't1');
  assert.equal(asked, 1);
});

test('a session that is over is said to be, and the next guest is another', async () => {
  const { doors: opened, session } = doors();
  const { keeper, changes } = keeperOf(opened, memoryStore(session('guest', { expires_at: at(-1) })));
  opened.refresh = () => Promise.reject(problem('invalid_refresh_token'));
  await assert.rejects(keeper.start(), (error) => isProblem(error, 'invalid_refresh_token'));
  assert.equal(keeper.current, undefined);
  await keeper.start();
  assert.deepEqual(changes, ['ended', 'started']);
});

test('a guest who signs up stays who it is', async () => {
  const { doors: opened, asked } = doors();
  const { keeper, changes } = keeperOf(opened);
  const guest = await keeper.start();
  const customer = await keeper.signUp({ email: 'a@example.com', password: 'long enough by far' });
  assert.equal(customer.subject, guest.subject);
  assert.deepEqual([asked, changes], [['guest', 'register t1'], ['started', 'upgraded']]);
});

test('an account whose making has no answer is found by signing in', async () => {
  const { doors: opened, asked } = doors();
  const { keeper } = keeperOf(opened);
  await keeper.start();
  const start = opened.start.bind(opened);
  // The guest's token was revoked when the guest became an account.
  opened.start = (body, token) => {
    if (token) asked.push(`refused ${token}`);
    return token ? Promise.reject(problem('invalid_token')) : start(body, token);
  };
  opened.register = () => Promise.reject(new Unreachable('no answer'));
  await keeper.signUp({ email: 'a@example.com', password: 'long enough by far' });
  assert.deepEqual([asked, keeper.current?.role], [['guest', 'refused t1', 'sign in as nobody'], 'customer']);
});

test('who signs up with a session that is over is a new guest first', async () => {
  const { doors: opened, asked, session } = doors();
  const { keeper } = keeperOf(opened, memoryStore(session('lost')));
  const register = opened.register.bind(opened);
  opened.register = (body, token) => (token === 't1' ? Promise.reject(problem('invalid_token')) : register(body, token));
  opened.refresh = () => Promise.reject(problem('invalid_refresh_token'));
  await keeper.signUp({ email: 'a@example.com', password: 'long enough by far' });
  assert.deepEqual([asked, keeper.current?.role], [['guest', 'register t2'], 'customer']);
});

test('a wrong password is told to whoever gave it, and to nobody else', async () => {
  const { doors: opened } = doors();
  const { keeper } = keeperOf(opened);
  const start = opened.start.bind(opened);
  opened.start = async (body, token) => {
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
  const { doors: opened } = doors();
  const { keeper, changes } = keeperOf(opened);
  await keeper.start();
  opened.end = () => Promise.reject(new Unreachable('no answer'));
  await keeper.signOut();
  assert.equal(keeper.current, undefined);
  assert.deepEqual(changes, ['started', 'ended']);
});
