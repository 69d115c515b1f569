// `GET /v1/stream`: the frames of topics as server-sent events, fetched, so that a bearer token can go with it.

import type { Client } from '../client.js';
import { framesIn, isTopicFrame } from './frames.js';
import { EventParser } from './sse.js';
import type { TopicFeed } from './topic.js';

/** What reading a stream needs. */
export interface StreamOptions {
  readonly client: Client;
  readonly topics: TopicFeed[];
  readonly last_event_id: string | undefined;
  /** Without a byte for so long the stream counts as broken. */
  readonly silence_ms_max: number;
  readonly signal: AbortSignal;
  /** Called with each event, and its id. */
  readonly heard: (id: string | undefined) => void;
}

/** Reads until the stream ends, breaks, or `signal` says so. Never fails: what matters is what was heard. */
export async function readStream(options: StreamOptions): Promise<void> {
  const { client, topics, last_event_id, silence_ms_max, signal } = options;
  const limit = new AbortController();
  const stop = () => limit.abort();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  let timer = setTimeout(stop, silence_ms_max);
  try {
    const query = topics.map((topic) => `topic=${encodeURIComponent(topic.name)}`).join('&');
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (last_event_id !== undefined) headers['last-event-id'] = last_event_id;
    const answer = await client.fetch(`/v1/stream?${query}`, { headers, signal: limit.signal });
    const is_stream = answer.headers.get('content-type')?.startsWith('text/event-stream');
    if (!answer.ok || !is_stream || !answer.body) return void (await answer.body?.cancel());
    const reader = answer.body.getReader();
    const [parser, decoder] = [new EventParser(), new TextDecoder()];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(stop, silence_ms_max);
      for (const { data, id } of parser.push(decoder.decode(value, { stream: true }))) {
        options.heard(id);
        deliver(data, topics);
      }
    }
  } catch {
    // Broken off, by us or by the network: whoever called decides what comes next.
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

function deliver(data: string, topics: TopicFeed[]): void {
  for (const frame of framesIn(data)) {
    if (isTopicFrame(frame)) topics.find((topic) => topic.name === frame.topic)?.take(frame);
  }
}
