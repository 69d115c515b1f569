// Watches the drop that is open, by whatever way gets through, until it is interrupted.
//
//   node examples/watch.mjs http://127.0.0.1:8080

import { createClient, live } from '@fusioncommerce/client';

const client = createClient({ url: process.argv[2] ?? 'http://127.0.0.1:8080' });
const { items: drops } = await client.call('list_drops');
const drop = drops.find(({ state }) => state === 'open') ?? drops[0];
if (!drop) throw new Error('there is no drop');

const connection = live(client);
connection.onStatus(({ state, way }) => console.log(way ? `${state} by ${way}` : state));
process.once('SIGINT', () => connection.close());

for await (const state of connection.topic(`drop:${drop.id}`).states()) {
  console.log(`${state.title}: ${state.state}, ${state.available} of ${state.quantity} left`);
}
