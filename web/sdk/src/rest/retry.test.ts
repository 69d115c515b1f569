import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '../client.js';
import { isProblem, isUnknown, Problem, Unreachable } from '../problem.js';
import { memoryStore } from '../session/store.js';

interface Seen {
  url: string;
  headers: Headers;
}

/** Creates a client of a shop that returns these responses in order. */
function shopThatAnswers(...answers: (() => Response)[]) {
  const seen: Seen[] = [];
  const client = createClient({
    url: 'http://shop.test',
    token: `x.${btoa(JSON.stringify({ sub: 'S', exp: 4_000_000_000 }))}.x`,
    retry: { first_ms: 1, longest_ms: 2 },
    fetch: async (url, init) => {
      seen.push({ url: String(url), headers: new Headers(init?.headers) });
      const answer = answers.shift();
      if (!answer) throw new Error('unexpected request');
      return answer();
    },
  });
  const claim = () => client.call('create_claim', { params: { id: 'D' }, body: { quantity: 1 } });
  return { client, seen, claim };
}

const CLAIM = { id: 'C', state: 'held' };
const answers = (status: number, body: unknown, headers = {}) => () =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });
const refuses = (status: number, code: string, also = {}, headers = {}) => () =>
  new Response(JSON.stringify({ type: `/problems/${code}`, code, title: code, status, detail: code, ...also }), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  });
const breaks = () => {
  throw new TypeError('fetch failed');
};

test('requests are retried with the same key after an unknown outcome, a network error or an overload', async () => {
  const { claim, seen } = shopThatAnswers(
    refuses(504, 'outcome_unknown'),
    breaks,
    refuses(503, 'overloaded', {}, { 'retry-after': '0' }),
    () => new Response('<h1>Bad gateway</h1>', { status: 502 }),
    answers(201, CLAIM),
  );
  assert.deepEqual(await claim(), CLAIM);
  const keys = seen.map(({ headers }) => headers.get('idempotency-key'));
  assert.equal(keys.length, 5);
  assert.equal(new Set(keys).size, 1);
  assert.match(keys[0] ?? '', /^[0-9a-f-]{36}$/);
});

test('a request with a definite answer is not retried', async () => {
  for (const [status, code] of [[409, 'sold_out'], [429, 'rate_limited'], [500, 'internal'], [404, 'not_found']] as const) {
    const { claim, seen } = shopThatAnswers(refuses(status, code));
    await assert.rejects(claim(), (error) => isProblem(error, code) && !isUnknown(error));
    assert.equal(seen.length, 1);
  }
});

test('a problem carries its values', async () => {
  const { claim } = shopThatAnswers(refuses(409, 'sold_out', { available: 2, may_return: true, request_id: 'R' }));
  const error = await claim().catch((error: unknown) => error);
  assert.ok(isProblem(error, 'sold_out', 'limit_reached'));
  assert.ok(error instanceof Problem && error.status === 409 && error.request_id === 'R');
  assert.ok(error.document.code === 'sold_out' && error.document.available === 2);
  assert.ok(isProblem(error, 'sold_out') && error.may_return);
});

test('the last error contains the key for another retry', async () => {
  const { claim, seen } = shopThatAnswers(breaks, breaks, breaks, breaks, breaks);
  const error = await claim().catch((error: unknown) => error);
  assert.ok(error instanceof Unreachable && isUnknown(error));
  assert.equal(error.key, seen[0]?.headers.get('idempotency-key'));
  assert.equal(seen.length, 5);
});

test('a request without a key and with an unknown outcome is not repeated', async () => {
  const { client, seen } = shopThatAnswers(breaks);
  const credentials = { email: 'a@example.com', password: 'long enough by far' };
  await assert.rejects(client.call('create_account', { body: credentials }), Unreachable);
  assert.equal(seen.length, 1);
});

test('a long Retry-After is reported instead of awaited', async () => {
  const { claim } = shopThatAnswers(refuses(503, 'unavailable', {}, { 'retry-after': '120' }));
  await assert.rejects(claim(), (error) => isProblem(error, 'unavailable') && error.retry_after_ms === 120_000);
});

test('a signal ends the waiting', async () => {
  const { client } = shopThatAnswers(refuses(503, 'unavailable', {}, { 'retry-after': '9' }));
  const stop = new AbortController();
  const called = client.call('get_drop', { params: { id: 'D' }, signal: stop.signal });
  setTimeout(() => stop.abort(new Error('enough')), 5);
  await assert.rejects(called, /enough/);
});

test('path parameters are escaped, and a missing one is an error', async () => {
  const { client, seen } = shopThatAnswers(answers(200, {}), answers(200, { items: [] }));
  await client.call('get_inventory', { params: { sku: 'A/B ?' } });
  await client.call('list_products', { params: { query: 'rain & wind', limit: 5 } });
  assert.deepEqual(
    seen.map(({ url }) => url),
    ['http://shop.test/v1/inventory/A%2FB%20%3F', 'http://shop.test/v1/products?query=rain+%26+wind&limit=5'],
  );
  await assert.rejects(client.call('get_drop', { params: { id: '' } }), /parameter id/);
});

test('each retry is announced, and a call can have its own retry policy', async () => {
  const { client, seen } = shopThatAnswers(refuses(503, 'overloaded'), breaks, refuses(504, 'outcome_unknown'), answers(201, CLAIM));
  const announced: string[] = [];
  const ask = { params: { id: 'D' }, body: { quantity: 1 } };
  const waiting = (why: Error) => void announced.push(why instanceof Problem ? why.code : why.name);
  await assert.rejects(client.call('create_claim', { ...ask, retry: { attempts_max: 3 }, waiting }), isUnknown);
  assert.deepEqual(announced, ['overloaded', 'Unreachable']);
  assert.equal(seen.length, 3);
});

test('a token refresh without a response is retried with the same key and token', async () => {
  const soon = (ms: number) => new Date(Date.now() + ms).toISOString();
  const seen: (string | null)[] = [];
  const client = createClient({
    url: 'http://shop.test',
    store: memoryStore({ token: 't1', refresh_token: 'r1', subject: 'S', expires_at: soon(-1_000) }),
    retry: { first_ms: 1, longest_ms: 2, attempts_max: 2 },
    fetch: async (_, init) => {
      seen.push(new Headers(init?.headers).get('idempotency-key'));
      if (seen.length < 4) throw new TypeError('fetch failed');
      return answers(200, { token: 't2', refresh_token: 'r2', subject: 'S', expires_at: soon(3_600_000) })();
    },
  });
  await assert.rejects(client.session.fresh(), isUnknown);
  assert.equal((await client.session.fresh())?.token, 't2');
  assert.equal(seen.length, 4);
  assert.equal(new Set(seen).size, 1);
  assert.ok(seen[0]);
});
