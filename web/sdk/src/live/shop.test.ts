// Tests of the live connection against the real binary.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { createClient, type Client } from '../client.js';
import { isProblem } from '../problem.js';
import { eventually, startShop, type Shop } from '../testing/shop.js';
import { Live } from './live.js';
import type { LiveState } from './status.js';

let shop: Shop;
before(async () => {
  shop = await startShop();
});
after(() => shop?.stop());

const open: Live[] = [];
afterEach(() => open.splice(0).forEach((live) => live.close()));

/** Creates a guest with a live connection, and a drop for this test alone. */
async function begin(quantity = 5) {
  const client = createClient({ url: shop.url });
  const { items } = await client.call('list_products', { params: { limit: 1 } });
  const sku = items[0]?.variants[0]?.sku ?? '';
  const vendor = createClient({ url: shop.url, token: shop.vendor });
  await vendor.call('adjust_inventory', { params: { sku }, body: { delta: quantity, reason: 'for a drop' } });
  const now = Date.now();
  const drop = await vendor.call('create_drop', {
    body: {
      sku,
      quantity,
      price: { amount: 100, currency: 'USD' },
      per_buyer_max: 2,
      hold_seconds: 60,
      starts_at: new Date(now - 1_000).toISOString(),
      ends_at: new Date(now + 3_600_000).toISOString(),
    },
  });
  const topic = `drop:${drop.id}` as const;
  return { client, vendor, drop, sku, topic, live: connect(client) };
}

function connect(client: Client): Live {
  const live = new Live(client, { backoff: { first_ms: 20, longest_ms: 200 }, fallback_after: 100 });
  open.push(live);
  return live;
}

const claimOf = (id: string, quantity = 1) => ({ params: { id }, body: { quantity } });

test('a buyer sees the claims of another buyer', async () => {
  const { live, client, topic, drop } = await begin();
  const seen = live.topic(topic);
  seen.on({});
  await eventually(() => seen.state?.available === 5, 'the first state');
  assert.equal(live.status.state, 'live');
  await client.call('create_claim', claimOf(drop.id, 2));
  await eventually(() => seen.state?.available === 3, 'the state after the claim');
});

test('commands over the WebSocket return the results of REST', async () => {
  const { live, client, drop } = await begin();
  await client.session.start();
  live.connect();
  await eventually(() => live.status.state === 'live', 'a welcome');
  const [one, two] = await Promise.all([
    live.command('create_claim', claimOf(drop.id)),
    live.command('create_claim', claimOf(drop.id)),
  ]);
  assert.notEqual(one.id, two.id);
  const third = live.command('create_claim', claimOf(drop.id));
  await assert.rejects(third, (error) => isProblem(error, 'limit_reached') && error.remaining === 0);
  await live.command('release_claim', { params: { id: drop.id, claim_id: one.id } });
  const again = await client.call('get_claim', { params: { id: drop.id, claim_id: one.id } });
  assert.equal(again.state, 'released');
});

test('the same key is the same claim over REST and WebSocket', async () => {
  const { live, client, drop } = await begin();
  await client.session.start();
  live.connect();
  await eventually(() => live.status.state === 'live', 'a welcome');
  const key = 'rest-and-websocket';
  const by_socket = await live.command('create_claim', { ...claimOf(drop.id), key });
  const by_rest = await client.ask('create_claim', { ...claimOf(drop.id), key });
  assert.deepEqual([by_rest.body?.id, by_rest.replayed], [by_socket.id, true]);
});

test('a viewer becomes a guest and then a customer on the same connection', async () => {
  const { live, client, topic } = await begin();
  const states: LiveState[] = [];
  live.onStatus(({ state }) => states.push(state));
  const seen = live.topic(topic);
  seen.on({});
  await eventually(() => seen.state, 'the first state');
  const cart = await live.command('create_cart');
  const mine = live.topic(`cart:${cart.id}`);
  mine.on({});
  await eventually(() => mine.state?.id === cart.id, 'the cart');
  await client.session.signUp({ email: `live${Date.now()}@example.com`, password: 'long enough by far' });
  const me = await live.command('get_me');
  assert.equal(me.role, 'customer');
  assert.deepEqual(states, ['connecting', 'live']);
});

test('topics of another subject are refused', async () => {
  const { client } = await begin();
  const cart = await client.call('create_cart');
  const stranger = connect(createClient({ url: shop.url }));
  const states = stranger.topic(`cart:${cart.id}`).states();
  await assert.rejects(states.next(), (error) => isProblem(error));
});

test('facts come in order', async () => {
  const { live, vendor, topic, drop } = await begin();
  const seen = live.topic(topic);
  const facts = seen.facts();
  await eventually(() => seen.state, 'the first state');
  await vendor.call('end_drop', { params: { id: drop.id } });
  const { value } = await facts.next();
  assert.match(value.type, /^drop_/);
  await eventually(() => seen.state?.state === 'ended', 'the state after the end');
});

test('the clock is the server’s to within a round trip', async () => {
  const { live, client } = await begin();
  const began = Date.now();
  live.connect();
  await eventually(() => live.status.state === 'live', 'a welcome');
  const took_ms = Date.now() - began;
  assert.ok(client.clock.uncertainty_ms < 100, `${client.clock.uncertainty_ms}`);
  assert.ok(client.clock.uncertainty_ms <= took_ms + 1, `${client.clock.uncertainty_ms} of ${took_ms}`);
  assert.ok(Math.abs(client.clock.now() - Date.now()) <= client.clock.uncertainty_ms + 1);
});

test('a killed server is reconnected after its restart, with its state', async () => {
  const { live, client, topic, drop } = await begin();
  await client.session.start();
  const seen = live.topic(topic);
  const states: LiveState[] = [];
  live.onStatus(({ state }) => states.push(state));
  seen.on({ fact: () => undefined });
  await eventually(() => seen.state?.available === 5, 'the first state');
  const claim = await live.command('create_claim', claimOf(drop.id));
  await shop.kill();
  await eventually(() => live.status.state === 'connecting', 'the loss');
  // Waits however long the server takes to start.
  const patient = { attempts_max: 60, longest_ms: 500 };
  const lost = live.command('create_claim', { ...claimOf(drop.id), retry: patient });
  await shop.start();
  const second = await lost;
  assert.notEqual(second.id, claim.id);
  await eventually(() => live.status.state === 'live', 'the way back');
  await eventually(() => seen.state?.available === 3, 'the truth');
  assert.deepEqual(states, ['connecting', 'live', 'connecting', 'live']);
});

test('the client reconnects at the time that a stopping server announces', async () => {
  const { live, topic } = await begin();
  const seen = live.topic(topic);
  seen.on({});
  await eventually(() => seen.state, 'the first state');
  await shop.kill('SIGTERM');
  await shop.start();
  await eventually(() => live.status.state === 'live', 'the way back');
});

test('the event stream delivers the same states, facts and private topics as the WebSocket', async () => {
  const { client, vendor, topic, drop } = await begin();
  const live = new Live(client, { WebSocket: false, poll_for_ms: 200, poll_ms: 50, backoff: { first_ms: 20, longest_ms: 200 } });
  open.push(live);
  const cart = await client.call('create_cart');
  const [seen, mine] = [live.topic(topic), live.topic(`cart:${cart.id}`)];
  const facts: string[] = [];
  seen.on({ fact: (fact) => facts.push(fact.type) });
  mine.on({});
  await eventually(() => seen.state?.available === 5 && mine.state, 'the first states');
  assert.equal(live.status.way, 'stream');
  await client.call('create_claim', claimOf(drop.id));
  await eventually(() => seen.state?.available === 4, 'the state after a claim');
  await vendor.call('end_drop', { params: { id: drop.id } });
  await eventually(() => seen.state?.state === 'ended', 'the state after the end');
  assert.deepEqual(facts, ['drop_ended']);
  await shop.kill();
  await eventually(() => live.status.state === 'offline' || live.status.way === undefined || live.status.way === 'polling', 'the loss');
  await shop.start();
  await eventually(() => live.status.way === 'stream', 'the way back');
});
