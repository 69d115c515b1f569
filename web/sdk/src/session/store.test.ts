import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { localStore, type Session } from './store.js';

const SESSION: Session = { token: 't', refresh_token: 'r', subject: 'S', expires_at: '2999-01-01T00:00:00Z' };

const before = Object.getOwnPropertyDescriptor(globalThis, 'localStorage');
let stored: Map<string, string>;
beforeEach(() => {
  stored = new Map();
  const storage = {
    getItem: (name: string) => stored.get(name) ?? null,
    setItem: (name: string, value: string) => void stored.set(name, value),
    removeItem: (name: string) => void stored.delete(name),
  };
  Object.defineProperty(globalThis, 'localStorage', { value: storage, configurable: true });
});
afterEach(() => {
  if (before) Object.defineProperty(globalThis, 'localStorage', before);
  else Reflect.deleteProperty(globalThis, 'localStorage');
});

test('a session survives a reload until it is cleared', () => {
  localStore().save(SESSION);
  assert.deepEqual(localStore().load(), SESSION);
  localStore().save(undefined);
  assert.equal(localStore().load(), undefined);
});

test('an invalid stored session is ignored', () => {
  for (const text of ['', 'null', '{"token":1}', '{broken']) {
    stored.set('fusion.session', text);
    assert.equal(localStore().load(), undefined, text);
  }
});

test('tabs on one storage do their work one after the other', async () => {
  let [busy, most] = [0, 0];
  const work = async () => {
    most = Math.max(most, ++busy);
    await new Promise((resolve) => setTimeout(resolve, 5));
    busy -= 1;
  };
  await Promise.all([localStore(), localStore(), localStore()].map((tab) => tab.exclusively(work)));
  assert.equal(most, 1);
  assert.equal(stored.has('fusion.session.lease'), false);
});

test('a browser that forbids storage gets a session for as long as the page lives', () => {
  const forbidden = { get: () => { throw new Error('denied'); }, configurable: true };
  Object.defineProperty(globalThis, 'localStorage', forbidden);
  const store = localStore();
  store.save(SESSION);
  assert.deepEqual(store.load(), SESSION);
});
