// Tests of the state machine of the live connection, against sockets that the test answers.

import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { createClient, type ClientOptions } from '../client.js';
import { isProblem } from '../problem.js';
import { fakeSockets } from '../testing/socket.js';
import { eventually } from '../testing/shop.js';
import { Live } from './live.js';
import type { LiveOptions } from './options.js';
import type { LiveState } from './status.js';

const TOPIC = 'drop:D';
const AT = '2026-11-22T15:04:03.000Z';
const ended = { op: 'event', topic: TOPIC, offset: 5, type: 'drop_ended', data: { at: AT } } as const;
const subscribed = (offset: number, also: object = {}) =>
  ({ op: 'subscribed', topic: TOPIC, epoch: 'e1', offset, ...also }) as const;
const refusal = (code: 'sold_out' | 'forbidden' | 'unavailable', status: number) =>
  ({ type: `/problems/${code}`, code, title: code, status, detail: code, available: 0, may_return: true }) as never;
const tokenOf = (subject: string, name = '') =>
  `x.${btoa(JSON.stringify({ sub: subject, exp: 4_000_000_000, name }))}.x`;
const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });

const open: Live[] = [];
afterEach(() => open.splice(0).forEach((live) => live.close()));

function begin(options: LiveOptions = {}, client_options: ClientOptions = {}) {
  const sockets = fakeSockets();
  const requests: { url: string; key: string | null }[] = [];
  const client = createClient({
    url: 'http://shop.test',
    token: tokenOf('S'),
    retry: { first_ms: 1, longest_ms: 2, attempts_max: 2 },
    fetch: async (url, init) => {
      requests.push({ url: String(url), key: new Headers(init?.headers).get('idempotency-key') });
      return json({ id: 'by rest' });
    },
    ...client_options,
  });
  const live = new Live(client, {
    WebSocket: sockets.make,
    backoff: { first_ms: 2, longest_ms: 4 },
    ...options,
  });
  open.push(live);
  const states: LiveState[] = [];
  live.onStatus(({ state }) => states.push(state));
  const socket = (nth: number) => eventually(() => sockets.made[nth], `socket ${nth}`);
  return { live, client, sockets, socket, requests, states };
}

/** Listens to the drop and records what it receives. */
function listen(live: Live) {
  const received: unknown[] = [];
  const off = live.topic(TOPIC).on({
    state: (state) => received.push((state as { available?: number }).available),
    fact: (fact) => received.push(fact.type),
    gap: () => received.push('gap'),
    refused: (problem) => received.push(problem.code),
  });
  return { received, off };
}

test('hello comes first, with the token and without it in the address', async () => {
  const { live, socket, states } = begin();
  const { received } = listen(live);
  const server = await socket(0);
  assert.equal(server.url, 'ws://shop.test/v1/ws');
  assert.deepEqual(server.protocols, ['fusion.v1.json']);
  server.opens();
  await eventually(() => server.received.length === 2);
  assert.deepEqual(server.received[0], { op: 'hello', client: 'fusion-client-js', token: tokenOf('S') });
  assert.deepEqual(server.received[1], { op: 'subscribe', topic: TOPIC });
  assert.equal(server.messages, 1);
  server.welcomes();
  server.says(subscribed(4, { state: { available: 80 } }), { op: 'state', topic: TOPIC, offset: 4, data: { available: 79 } });
  server.says(ended, ended);
  assert.deepEqual(received, [80, 79, 'drop_ended']);
  assert.deepEqual(states, ['connecting', 'live']);
});

test('after a broken connection it resumes, and no event is lost or duplicated', async () => {
  const { live, socket, states } = begin();
  const { received } = listen(live);
  (await socket(0)).welcomes();
  (await socket(0)).says(subscribed(4, { state: { available: 80 } }), ended);
  (await socket(0)).ends();
  const again = await socket(1);
  again.welcomes();
  await eventually(() => again.all('subscribe').length === 1);
  assert.deepEqual(again.all('subscribe')[0]?.since, { epoch: 'e1', offset: 5 });
  again.says(subscribed(5), ended, { ...ended, offset: 6, type: 'drop_cancelled' });
  assert.deepEqual(received, [80, 'drop_ended', 'drop_cancelled']);
  assert.deepEqual(states, ['connecting', 'live', 'connecting', 'live']);
});

test('an offset that is no longer available yields one gap with the current state', async () => {
  const { live, socket } = begin();
  const { received } = listen(live);
  (await socket(0)).welcomes();
  (await socket(0)).says(subscribed(4, { state: { available: 80 } }));
  (await socket(0)).ends();
  const again = await socket(1);
  again.welcomes();
  again.says({ op: 'subscribed', topic: TOPIC, epoch: 'e2', offset: 1, state: { available: 3 } });
  again.says({ op: 'gap', topic: TOPIC });
  again.says({ op: 'subscribed', topic: TOPIC, epoch: 'e2', offset: 9, state: { available: 2 } });
  assert.deepEqual(received, [80, 'gap', 3, 'gap', 2]);
});

test('a subscriber to the state alone requests the current state', async () => {
  const { live, socket } = begin();
  live.topic(TOPIC).on({ state: () => undefined });
  (await socket(0)).welcomes();
  (await socket(0)).says(subscribed(4, { state: {} }));
  (await socket(0)).ends();
  const again = await socket(1);
  again.welcomes();
  await eventually(() => again.all('subscribe').length === 1);
  assert.equal(again.all('subscribe')[0]?.since, undefined);
});

test('a topic is unsubscribed when its last listener leaves, but not by an immediate resubscription', async () => {
  const { live, socket } = begin();
  const first = listen(live);
  const server = await socket(0);
  server.welcomes();
  await eventually(() => server.all('subscribe').length === 1);
  first.off();
  const second = listen(live);
  second.off();
  await eventually(() => server.all('unsubscribe').length === 1);
  assert.equal(server.all('subscribe').length, 1);
});

test('a ping is answered, and a silent server is disconnected', async () => {
  const { live, socket } = begin();
  listen(live);
  const server = await socket(0);
  server.welcomes();
  server.says({ op: 'ping' });
  await eventually(() => server.all('pong').length === 1);
  server.welcomes(10);
  await socket(1);
  assert.equal(server.is_closed, true);
});

test('a socket that fails without saying that it is closed is closed', async () => {
  const { live, socket } = begin();
  listen(live);
  (await socket(0)).onerror?.({});
  (await socket(1)).welcomes();
  assert.equal(live.status.state, 'live');
});

test('after draining it reconnects at the announced time', async () => {
  const { live, socket, sockets } = begin({ backoff: { first_ms: 60_000, longest_ms: 60_000 } });
  listen(live);
  const server = await socket(0);
  server.welcomes();
  const told_at = Date.now();
  server.says({ op: 'draining', reconnect_in_ms: 40 });
  server.ends(4000);
  await socket(1);
  assert.ok(Date.now() - told_at >= 35);
  assert.equal(sockets.made.length, 2);
});

test('codes from 4500 stop it with an error that iterators receive', async () => {
  const { live, socket, states } = begin();
  const states_of_topic = live.topic(TOPIC).states();
  const next = states_of_topic.next();
  (await socket(0)).welcomes();
  (await socket(0)).ends(4502, 'too much');
  await assert.rejects(next, /4502/);
  assert.equal(live.status.error?.close_code, 4502);
  assert.deepEqual(states, ['connecting', 'live', 'stopped']);
});

test('a token about to end is renewed by auth on the same connection', async () => {
  let refreshed = 0;
  const { live, client, socket } = begin({}, {
    fetch: async () => json({ token: tokenOf('S', `${++refreshed}`), refresh_token: 'r', subject: 'S', expires_at: '2999-01-01T00:00:00Z' }, 201),
    ...{ token: undefined as never },
  });
  await client.session.start();
  listen(live);
  const server = await socket(0);
  server.welcomes();
  server.says({ op: 'expiring', in_ms: 60_000 });
  await eventually(() => server.all('auth').length === 1);
  assert.equal(server.all('auth')[0]?.token, client.session.current?.token);
  assert.equal(server.is_closed, false);
});

test('a refused token is renewed once; the second refusal stops it', async () => {
  let made = 0;
  const { live, client, socket } = begin({}, {
    fetch: async () => json({ token: tokenOf('S', `${++made}`), refresh_token: 'r', subject: 'S', expires_at: '2999-01-01T00:00:00Z' }, 201),
    ...{ token: undefined as never },
  });
  await client.session.start();
  listen(live);
  (await socket(0)).opens();
  (await socket(0)).ends(4501);
  const again = await socket(1);
  again.opens();
  await eventually(() => again.all('hello').length === 1);
  assert.equal(again.all('hello')[0]?.token, tokenOf('S', '2'));
  again.ends(4501);
  await eventually(() => live.status.state === 'stopped');
});

test('a connection is not reused for another subject', async () => {
  const { live, client, socket } = begin();
  listen(live);
  (await socket(0)).welcomes();
  client.session.forget();
  const again = await socket(1);
  again.opens();
  await eventually(() => again.all('hello').length === 1);
  assert.equal(again.all('hello')[0]?.token, undefined);
});

test('a temporarily refused topic is retried, and a forbidden topic is reported', async () => {
  const { live, socket } = begin();
  const { received } = listen(live);
  const server = await socket(0);
  server.welcomes();
  await eventually(() => server.all('subscribe').length === 1);
  server.says({ op: 'refused', topic: TOPIC, problem: refusal('unavailable', 503) });
  await eventually(() => server.all('subscribe').length === 2);
  server.says({ op: 'refused', topic: TOPIC, problem: refusal('forbidden', 403) });
  assert.deepEqual(received, ['forbidden']);
  await assert.rejects(live.topic(TOPIC).states().next(), (error) => isProblem(error, 'forbidden'));
});

test('commands of one turn go in one message, and replies come in any order', async () => {
  const { live, socket, requests } = begin();
  live.connect();
  const server = await socket(0);
  server.welcomes();
  const before = server.messages;
  const claim = (quantity: number) => live.command('create_claim', { params: { id: 'D' }, body: { quantity } });
  const [one, two] = [claim(1), claim(2)];
  await eventually(() => server.all('command').length === 2);
  assert.equal(server.messages, before + 1);
  const [first, second] = server.all('command');
  assert.ok(first && second && first.key && first.key !== second.key);
  assert.deepEqual([first.name, first.params, first.body], ['create_claim', { id: 'D' }, { quantity: 1 }]);
  server.says({ op: 'reply', id: second.id, status: 201, body: { id: 'second' } });
  server.says({ op: 'reply', id: first.id, status: 409, problem: refusal('sold_out', 409) });
  assert.deepEqual(await two, { id: 'second' });
  await assert.rejects(one, (error) => isProblem(error, 'sold_out') && error.may_return);
  assert.equal(requests.length, 0);
});

test('a temporarily refused command is retried with the same key after the requested time', async () => {
  const { live, socket, requests } = begin();
  live.connect();
  const server = await socket(0);
  server.welcomes();
  const waits: number[] = [];
  const waiting = (problem: Error, ms: number) => waits.push(isProblem(problem, 'unavailable') ? ms : NaN);
  const retry = { first_ms: 2, longest_ms: 2, retry_after_ms_max: 10_000 };
  const claim = live.command('create_claim', { params: { id: 'D' }, body: { quantity: 1 }, waiting, retry });
  await eventually(() => server.all('command').length === 1);
  const [command] = server.all('command');
  assert.ok(command);
  const problem = Object.assign(refusal('unavailable', 503), { retry_after: 0.05 });
  server.says({ op: 'reply', id: command.id, status: 503, problem });
  await claim.catch(() => undefined);
  assert.ok(requests.length > 0 && (waits[0] ?? 0) >= 51, `${requests.length} requests, waited for ${waits}`);
});

test('a command whose reply is lost is repeated over REST with the same key', async () => {
  const { live, socket, requests } = begin();
  live.connect();
  const server = await socket(0);
  server.welcomes();
  const claim = live.command('create_claim', { params: { id: 'D' }, body: { quantity: 1 } });
  await eventually(() => server.all('command').length === 1);
  server.ends();
  assert.deepEqual(await claim, { id: 'by rest' });
  assert.deepEqual(requests, [{ url: 'http://shop.test/v1/drops/D/claims', key: server.all('command')[0]?.key }]);
});

test('without an open socket, or beyond its limits, commands go over REST at once', async () => {
  const { live, socket, requests } = begin();
  await live.command('create_claim', { params: { id: 'D' }, body: { quantity: 1 } });
  live.connect();
  const server = await socket(0);
  server.welcomes(25_000, { commands_in_flight: 1 });
  void live.command('get_drop', { params: { id: 'D' } }).catch(() => undefined);
  await live.command('get_drop', { params: { id: 'E' } });
  assert.deepEqual(requests.map(({ url }) => url), ['http://shop.test/v1/drops/D/claims', 'http://shop.test/v1/drops/E']);
});

test('a stream replaces a WebSocket that does not open, until it opens', async () => {
  const frames = [subscribed(4, { state: { available: 7 } }), ended].map((frame, n) => `id: ${n}\ndata: ${JSON.stringify(frame)}\n\n`);
  const requests: string[] = [];
  const { live, socket, states } = begin({ retry_socket_ms: 20 }, {
    fetch: async (url, init) => {
      requests.push(String(url));
      const body = new ReadableStream({
        start(stream) {
          stream.enqueue(new TextEncoder().encode(frames.join('')));
          init?.signal?.addEventListener('abort', () => stream.error(new Error('aborted')));
        },
      });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    },
  });
  const { received } = listen(live);
  for (let nth = 0; nth < 3; nth++) (await socket(nth)).ends();
  await eventually(() => live.status.way === 'stream');
  assert.deepEqual(received, [7, 'drop_ended']);
  assert.deepEqual(requests, ['http://shop.test/v1/stream?topic=drop%3AD']);
  (await socket(3)).welcomes();
  assert.deepEqual(states, ['connecting', 'fallback', 'live']);
});

test('without a stream it polls, with conditional requests', async () => {
  let available = 9;
  const statuses: number[] = [];
  const { live } = begin({ WebSocket: false, poll_ms: 4, fallback_after: 1 }, {
    fetch: async (url, init) => {
      if (String(url).includes('/v1/stream')) return new Response('no', { status: 404 });
      const etag = `W/"${available}"`;
      const known = new Headers(init?.headers).get('if-none-match') === etag;
      statuses.push(known ? 304 : 200);
      return known ? new Response(null, { status: 304 }) : new Response(JSON.stringify({ available }), { headers: { etag, 'content-type': 'application/json' } });
    },
  });
  const { received } = listen(live);
  await eventually(() => statuses.includes(304));
  assert.equal(live.status.way, 'polling');
  available = 8;
  await eventually(() => received.length === 2);
  assert.deepEqual(received, [9, 8]);
});

test('without any transport it is offline and keeps trying', async () => {
  const { live, socket } = begin({ fallback_after: 1, poll_ms: 4 }, { fetch: () => Promise.reject(new TypeError('fetch failed')) });
  listen(live);
  (await socket(0)).ends();
  await eventually(() => live.status.state === 'offline');
  (await socket(1)).welcomes();
  assert.equal(live.status.state, 'live');
});

test('states are the newest, facts are all of them', async () => {
  const { live, socket } = begin();
  const [states, facts] = [live.topic(TOPIC).states(), live.topic(TOPIC).facts()];
  (await socket(0)).welcomes();
  (await socket(0)).says(subscribed(4, { state: { available: 2 } }), { op: 'state', topic: TOPIC, offset: 4, data: { available: 1 } });
  (await socket(0)).says(ended, { ...ended, offset: 6, type: 'drop_cancelled' });
  assert.deepEqual((await states.next()).value, { available: 1 });
  assert.deepEqual((await facts.next()).value, { type: 'drop_ended', data: { at: AT } });
  assert.deepEqual((await facts.next()).value, { type: 'drop_cancelled', data: { at: AT } });
  live.close();
  assert.deepEqual(await states.next(), { done: true, value: undefined });
});

/** Simulates the browser's network state during a test. */
function withNetwork(context: { after: (undo: () => void) => void }) {
  let onLine = true;
  const received = new EventTarget();
  const global = globalThis as Record<string, unknown>;
  const before = { navigator: Object.getOwnPropertyDescriptor(globalThis, 'navigator'), addEventListener: global['addEventListener'] };
  Object.defineProperty(globalThis, 'navigator', { configurable: true, get: () => ({ onLine }) });
  global['addEventListener'] = received.addEventListener.bind(received);
  context.after(() => {
    if (before.navigator) Object.defineProperty(globalThis, 'navigator', before.navigator);
    else delete global['navigator'];
    global['addEventListener'] = before.addEventListener;
  });
  return (is: boolean) => {
    onLine = is;
    received.dispatchEvent(new Event(is ? 'online' : 'offline'));
  };
}

test('when the network returns, the old connection is replaced immediately', async (context) => {
  const network = withNetwork(context);
  const { live, socket, requests } = begin();
  const { received } = listen(live);
  const first = await socket(0);
  first.welcomes();
  first.says(subscribed(0, { state: { available: 80 } }));
  network(false);
  assert.equal(live.status.state, 'offline');
  await live.command('create_claim', { params: { id: 'D' }, body: { quantity: 1 } });
  assert.equal(first.all('command').length, 0, 'nothing is sent on a dead connection');
  assert.equal(requests.length, 1);
  network(true);
  const second = await socket(1);
  second.welcomes();
  second.says(subscribed(0, { state: { available: 79 } }));
  assert.deepEqual(received, [80, 79]);
  assert.equal(live.status.state, 'live');
});
