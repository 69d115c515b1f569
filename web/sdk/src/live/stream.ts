// `GET /v1/stream`: the frames of topics as server-sent events, read with `fetch`, which can send a bearer token.

import type { Client } from '../client.js';
import { framesIn, isTopicFrame } from './frames.js';
import { EventParser } from './sse.js';
import type { TopicFeed } from './topic.js';

/** The options of a stream. */
export interface StreamOptions {
  readonly client: Client;
  readonly topics: TopicFeed[];
  readonly last_event_id: string | undefined;
  /** The time without a byte after which the stream counts as broken. */
  readonly silence_ms_max: number;
  readonly signal: AbortSignal;
  /** Called for each event, with its id. */
  readonly received: (id: string | undefined) => void;
}

/** Reads until the stream ends or breaks, or `signal` is aborted. Never rejects. `received` is called for every message. */
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
        options.received(id);
        deliver(data, topics);
      }
    }
  } catch {
    // Aborted, or broken by the network: the caller decides how to continue.
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
