import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pause, waitBefore } from './backoff.js';

test('waits double up to the longest, and are spread over their upper half', () => {
  const backoff = { first_ms: 100, longest_ms: 1_000 };
  const longest = [0, 1, 2, 3, 4, 60].map((nth) => waitBefore(nth, backoff, () => 1));
  assert.deepEqual(longest, [100, 200, 400, 800, 1_000, 1_000]);
  assert.equal(waitBefore(2, backoff, () => 0), 200);
});

test('a pause ends early when it is aborted', async () => {
  const stop = new AbortController();
  const paused = pause(60_000, stop.signal);
  stop.abort(new Error('enough'));
  await assert.rejects(paused, /enough/);
});
