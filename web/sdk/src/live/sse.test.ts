import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventParser } from './sse.js';

const TEXT = ': hello\r\n\r\nid: 7\r\ndata: {"a":1}\r\n\r\nevent: x\ndata: one\ndata:two\n\nid\ndata: last\n\n';
const EVENTS = [
  { data: '{"a":1}', id: '7' },
  { data: 'one\ntwo', id: '7' },
  { data: 'last', id: '' },
];

test('events do not depend on how the stream is split', () => {
  for (let size = 1; size <= TEXT.length; size++) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < TEXT.length; at += size) events.push(...parser.push(TEXT.slice(at, at + size)));
    assert.deepEqual(events, EVENTS, `in pieces of ${size}`);
  }
});

test('an incomplete event is not delivered', () => {
  const parser = new EventParser();
  assert.deepEqual(parser.push('data: a\n'), []);
  assert.deepEqual(parser.push('\n'), [{ data: 'a', id: undefined }]);
});
