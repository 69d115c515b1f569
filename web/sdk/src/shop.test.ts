// Tests of the client against the real binary.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { createClient, newKey, type Client, type ClientOptions } from './client.js';
import type { Drop } from './contract.js';
import { isProblem, Problem, Unreachable } from './problem.js';
import { Live } from './live/live.js';
import { memoryStore } from './session/store.js';
import { eventually, startShop, type Shop } from './testing/shop.js';

const ADDRESS = { name: 'Ann', line1: 'Street 1', city: 'Town', postal_code: '12345', country: 'DE' };
let shop: Shop;
let vendor: Client;

before(async () => {
  shop = await startShop();
  vendor = createClient({ url: shop.url, token: shop.vendor });
});
after(() => shop?.stop());

const guest = (options: ClientOptions = {}) =>
  createClient({ url: shop.url, retry: { first_ms: 5, longest_ms: 20 }, ...options });

async function openDrop(client: Client): Promise<Drop & { sku: string }> {
  const { items } = await client.call('list_drops');
  const drop = items.find(({ state }) => state === 'open');
  assert.ok(drop?.items[0]);
  return { ...drop, sku: drop.items[0].sku };
}

/** Returns the claims of a buyer who has some. Lists lag behind by a moment. */
async function claimsOf(client: Client): Promise<string[]> {
  const list = async () => (await client.call('list_claims', { params: { state: 'held' } })).items;
  const items = await eventually(async () => (await list()).length > 0 && list(), 'the list of claims');
  return items.map(({ id }) => id);
}

/**
 * A network that loses the response to the first `lost` requests whose URL contains `path`, after they were carried
 * out.
 */
function losing(path: string, lost: number): { fetch: typeof fetch; keys: (string | null)[] } {
  const keys: (string | null)[] = [];
  return {
    keys,
    async fetch(url, init) {
      const answer = await fetch(url, init);
      if (!String(url).includes(path)) return answer;
      keys.push(new Headers(init?.headers).get('idempotency-key'));
      if (keys.length > lost) return answer;
      await answer.arrayBuffer();
      throw new TypeError('the answer was lost');
    },
  };
}

test('types and routes are those of the document that is served', async () => {
  await promisify(execFile)(process.execPath, ['scripts/generate.mjs', shop.url, '--check']);
});

test('a guest claims, pays, and reads the order', async () => {
  const client = guest();
  const { id, sku } = await openDrop(client);
  assert.equal(client.session.current, undefined, 'looking needs no session');
  const claim = await client.call('create_claim', { params: { id }, body: { sku, quantity: 1 } });
  assert.equal(claim.state, 'held');
  const hold_ms = client.clock.until(claim.expires_at);
  assert.ok(hold_ms > 200_000 && hold_ms <= 301_500, `${hold_ms}`);
  const checkout = await client.call('create_checkout', {
    body: {
      claims: [claim.id],
      payment: { provider: 'sandbox', token: 'tok_approve' },
      email: 'ann@example.com',
      shipping_address: ADDRESS,
    },
  });
  assert.equal(checkout.state, 'completed');
  const order = await client.call('get_order', { params: { id: checkout.order_id ?? '' } });
  assert.equal(order.lines[0]?.sku, sku);
});

test('a request whose response was lost is repeated with the same key and executed once', async () => {
  const network = losing('/claims', 2);
  const client = guest({ fetch: network.fetch });
  const { id, sku } = await openDrop(client);
  const answer = await client.ask('create_claim', { params: { id }, body: { sku, quantity: 1 } });
  assert.equal(answer.replayed, true);
  assert.equal(answer.status, 201);
  assert.equal(new Set(network.keys).size, 1);
  assert.deepEqual(await claimsOf(client), [answer.body?.id]);
});

test('a key that was used for something else is refused at once', async () => {
  const client = guest();
  const { id, sku } = await openDrop(client);
  const key = newKey();
  await client.call('create_claim', { params: { id }, body: { sku, quantity: 1 }, key });
  const again = client.call('create_claim', { params: { id }, body: { sku, quantity: 2 }, key });
  await assert.rejects(again, (error) => isProblem(error, 'idempotency_key_reused'));
});

test('a limit gives the remaining units', async () => {
  const client = guest();
  const { id, sku, per_buyer_max } = await openDrop(client);
  const claimed = client.call('create_claim', { params: { id }, body: { sku, quantity: per_buyer_max + 1 } });
  await assert.rejects(claimed, (error) => isProblem(error, 'limit_reached') && error.remaining === per_buyer_max);
});

test('a drop that is not open gives its start', async () => {
  const client = guest();
  const product = (await client.call('list_products', { params: { limit: 1 } })).items[0];
  const starts_at = new Date(Date.now() + 3_600_000).toISOString();
  const made = await vendor.call('create_drop', {
    body: {
      sku: product?.variants[0]?.sku ?? '',
      quantity: 1,
      price: { amount: 100, currency: 'USD' },
      per_buyer_max: 1,
      hold_seconds: 60,
      starts_at,
      ends_at: new Date(Date.now() + 7_200_000).toISOString(),
    },
  });
  const claimed = client.call('create_claim', { params: { id: made.id }, body: { quantity: 1 } });
  const error = await claimed.catch((error: unknown) => error);
  assert.ok(isProblem(error, 'not_open'));
  assert.equal(Date.parse(error.starts_at ?? ''), Date.parse(starts_at));
  const edited = { params: { id: made.id }, body: { title: 'Later' } };
  const changed = await vendor.call('update_drop', { ...edited, version: made.version });
  assert.equal(changed.version, made.version + 1);
  await assert.rejects(vendor.call('update_drop', { ...edited, version: made.version }), (error) =>
    isProblem(error, 'stale_version'),
  );
});

test('an unchanged resource returns 304', async () => {
  const client = guest();
  const { id, sku } = await openDrop(client);
  const ask = (etag: string) => client.ask('get_drop', { params: { id }, etag });
  // Claims of the previous tests appear in the list a moment later.
  const began = Date.now();
  const known = await eventually(async () => {
    const { etag = '', body } = await ask('');
    return body && Date.parse(body.as_of) > began && { etag, held: body.held };
  }, 'the drop as it is now');
  const again = await ask(known.etag);
  assert.deepEqual([again.status, again.body], [304, undefined]);

  await client.call('create_claim', { params: { id }, body: { sku, quantity: 1 } });
  const changed = await eventually(async () => {
    const { status, body } = await ask(known.etag);
    return status === 200 && body;
  }, 'the drop with one unit more held');
  assert.equal(changed.held, known.held + 1);
});

test('a guest who signs up, and signs in elsewhere as another guest, keeps what it has', async () => {
  const credentials = { email: `ann${Date.now()}@example.com`, password: 'long enough by far' };
  const client = guest();
  const { id, sku } = await openDrop(client);
  const claim = await client.call('create_claim', { params: { id }, body: { sku, quantity: 1 } });
  const before = client.session.current?.subject;
  const session = await client.session.signUp(credentials);
  assert.deepEqual([session.subject, session.role], [before, 'customer']);

  const elsewhere = guest();
  const cart = await elsewhere.call('create_cart');
  await elsewhere.session.signIn(credentials);
  assert.equal((await elsewhere.call('get_cart', { params: { id: cart.id } })).id, cart.id);
  assert.deepEqual(await claimsOf(elsewhere), [claim.id]);
  await assert.rejects(client.session.signIn({ ...credentials, password: 'wrong' }), (error) =>
    isProblem(error, 'invalid_credentials'),
  );
  await elsewhere.session.signOut();
  assert.equal(elsewhere.session.current, undefined);
});

test('an invalid token is renewed and the call repeated', async () => {
  const store = memoryStore();
  const client = guest({ store });
  const session = await client.session.start();
  store.save({ ...session, token: `${session.token.slice(0, -4)}AAAA` });
  const again = guest({ store });
  const [me, claims] = await Promise.all([again.call('get_me'), again.call('list_claims')]);
  assert.deepEqual([me.subject, claims.items], [session.subject, []]);
  assert.notEqual(again.session.current?.token, session.token);
});

test('a session that was ended elsewhere is reported', async () => {
  const store = memoryStore();
  const client = guest({ store });
  const session = await client.session.start();
  const other = guest({ store: memoryStore(session) });
  await other.session.renew(session.token);
  await other.session.signOut();
  await assert.rejects(client.call('list_claims'), (error) => isProblem(error, 'invalid_refresh_token'));
  assert.equal(client.session.current, undefined);
  assert.ok((await openDrop(client)).id);
});

test('a table is imported', async () => {
  const csv = 'Handle,Title,Variant SKU,Variant Price,Variant Inventory Qty\nkite,Kite,KITE-1,12.50,3\nbad,Bad,BAD-1,x,1\n';
  const { id } = await vendor.call('create_import', { params: { currency: 'USD' }, body: csv });
  await eventually(async () => (await vendor.call('get_import', { params: { id } })).state === 'completed', 'the import');
  const { items } = await vendor.call('list_rejected_rows', { params: { id } });
  assert.equal(items.length, 1);
});

test('calls to an unreachable shop fail as unreachable', async () => {
  const client = createClient({ url: 'http://127.0.0.1:9', retry: { attempts_max: 2, first_ms: 1 } });
  await assert.rejects(client.call('list_drops'), Unreachable);
});

test('an invalid request names the field', async () => {
  const client = guest();
  const { id } = await openDrop(client);
  const claimed = client.call('create_claim', { params: { id }, body: { quantity: 'one' as never } });
  await assert.rejects(claimed, (error) => error instanceof Problem && error.errors[0]?.pointer === '/quantity');
});

test('a drop is followed by polling without a WebSocket or stream', async () => {
  const client = guest();
  const blocked = (path: string) => path.includes('/v1/stream');
  const polling = guest({ fetch: (url, init) => (blocked(String(url)) ? Promise.reject(new TypeError('blocked')) : fetch(url, init)) });
  const by_polling = new Live(polling, { WebSocket: false, poll_ms: 20, backoff: { first_ms: 1 } });
  try {
    const { id, sku, available } = await openDrop(client);
    const topic = by_polling.topic(`drop:${id}`);
    topic.on({});
    await eventually(() => topic.state?.available === available, 'the first state');
    await client.call('create_claim', { params: { id }, body: { sku, quantity: 1 } });
    await eventually(() => topic.state?.available === available - 1, 'the state after a claim');
    assert.equal(by_polling.status.way, 'polling');
  } finally {
    by_polling.close();
  }
});
