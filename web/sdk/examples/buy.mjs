// A guest buys from the drop that is open.
//
//   node examples/buy.mjs http://127.0.0.1:8080

import { createClient, isProblem } from '@fusioncommerce/client';

const client = createClient({ url: process.argv[2] ?? 'http://127.0.0.1:8080' });

const { items: drops } = await client.call('list_drops');
const drop = drops.find(({ state }) => state === 'open');
const item = drop?.items.find(({ available }) => available > 0);
if (!drop || !item) throw new Error('no drop is open');

try {
  const claim = await client.call('create_claim', { params: { id: drop.id }, body: { sku: item.sku, quantity: 1 } });
  console.log(`held for ${Math.round(client.clock.until(claim.expires_at) / 1000)} s: ${claim.sku}`);
  let checkout = await client.call('create_checkout', {
    body: {
      claims: [claim.id],
      payment: { provider: 'sandbox', token: 'tok_approve' },
      // A drop's limit counts by e-mail address, too.
      email: `ann${Date.now()}@example.com`,
      shipping_address: { name: 'Ann', line1: 'Street 1', city: 'Town', postal_code: '12345', country: 'DE' },
    },
  });
  // Most are done by now; a slow bank takes longer. One that never answers expires after 15 minutes.
  while (checkout.state === 'pending') {
    await new Promise((done) => setTimeout(done, 500));
    checkout = await client.call('get_checkout', { params: { id: checkout.id } });
  }
  console.log(`${checkout.state}: order ${checkout.order_id}`);
} catch (error) {
  if (!isProblem(error, 'sold_out')) throw error;
  console.log(error.may_return ? 'sold out for now' : 'sold out');
}
