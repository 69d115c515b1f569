import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerClock } from './clock.js';

test('an unsynchronised clock is the local clock', () => {
  const clock = new ServerClock(() => 5_000);
  assert.equal(clock.now(), 5_000);
  assert.equal(clock.uncertainty_ms, Infinity);
});

test('several answers narrow the offset down to less than each of them', () => {
  let local = 0;
  const clock = new ServerClock(() => local);
  const ahead = 90_210;
  for (let sent = 1_000; sent < 40_000; sent += 1_370) {
    const received = sent + 80;
    local = received;
    const server = sent + 40 + ahead;
    clock.observeHeaders(new Headers({ date: new Date(server).toUTCString() }), sent);
  }
  assert.ok(Math.abs(clock.offset_ms - ahead) <= clock.uncertainty_ms + 1, `${clock.offset_ms}`);
  assert.ok(clock.uncertainty_ms < 300, `${clock.uncertainty_ms}`);
});

test('after a clock change the newest response counts', () => {
  let local = 10_000;
  const clock = new ServerClock(() => local);
  clock.observe(10_000, 9_990, 10_000);
  local = 70_000;
  clock.observe(20_000, 69_990, 70_000);
  assert.ok(Math.abs(clock.offset_ms + 50_000) <= 10);
});

test('a cached response does not affect the clock', () => {
  const clock = new ServerClock(() => 10_000);
  clock.observeHeaders(new Headers({ date: new Date(0).toUTCString(), age: '10' }), 9_000);
  assert.equal(clock.offset_ms, 0);
});

test('a countdown ends at zero', () => {
  const clock = new ServerClock(() => 60_000);
  assert.equal(clock.until(new Date(61_500).toISOString()), 1_500);
  assert.equal(clock.until(1_000), 0);
});
