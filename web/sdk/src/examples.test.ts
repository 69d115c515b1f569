// The examples of the README, unchanged, against the real binary.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { eventually, startShop, type Shop } from './testing/shop.js';

const NODE = ['--experimental-websocket', '--disable-warning=ExperimentalWarning'];
let shop: Shop;

before(async () => {
  shop = await startShop();
});
after(() => shop?.stop());

test('the buying example ends with an order', async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...NODE, 'examples/buy.mjs', shop.url]);
  assert.match(stdout, /^held for \d+ s: \S+\ncompleted: order [0-9A-Z]{26}\n$/);
  assert.equal(stderr, '');
});

test('the watching example prints the state of the drop until it is interrupted', async () => {
  const watching = spawn(process.execPath, [...NODE, 'examples/watch.mjs', shop.url], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(watching, 'exit');
  let said = '';
  watching.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  try {
    await eventually(async () => /: open, \d+ of \d+ left\n/.test(said), 'a state of the drop');
    assert.match(said, /by socket/);
  } finally {
    watching.kill('SIGINT');
  }
  assert.deepEqual(await exited, [0, null]);
});
