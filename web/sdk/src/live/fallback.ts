// The fallback where WebSockets are blocked: a stream over HTTP, and where that is blocked too, polling.

import { pause, waitBefore, type Backoff } from '../backoff.js';
import type { Client } from '../client.js';
import type { TopicFeed } from './topic.js';
import { pollTopics, type PollMemory } from './poll.js';
import { readStream } from './stream.js';

/** The options of the fallback. */
export interface FallbackOptions {
  readonly client: Client;
  readonly feeds: () => TopicFeed[];
  readonly backoff: Backoff;
  readonly poll_ms: number;
  /** How long to poll before the stream is tried again. */
  readonly poll_for_ms: number;
  /** The silence after which a stream counts as broken. */
  readonly silence_ms_max: number;
  /** Called when the fallback starts or stops delivering. */
  readonly changed: () => void;
}

/** The number of consecutive stream failures after which polling starts. */
const STREAM_FAILURES = 2;

/** Delivers topics without a socket, from `start` until `stop`. */
export class Fallback {
  /** The current way of delivery; `undefined` while nothing is delivered. */
  way: 'stream' | 'polling' | undefined;
  /** Whether neither the stream nor polling has succeeded since the last delivery. */
  is_out = false;
  readonly #options: FallbackOptions;
  #stop: AbortController | undefined;
  #restart: AbortController | undefined;
  #last_event_id: string | undefined;

  constructor(options: FallbackOptions) {
    this.#options = options;
  }

  /** Starts, unless already started. */
  start(): void {
    if (this.#stop) return;
    this.#stop = new AbortController();
    void this.#run(this.#stop.signal);
  }

  /** Stops. */
  stop(): void {
    this.#stop?.abort();
    this.#restart?.abort();
    this.#stop = undefined;
    this.way = undefined;
    this.is_out = false;
  }

  /** Restarts the stream or the poll, because the topics or the session have changed. */
  renew(): void {
    this.#last_event_id = undefined;
    this.#restart?.abort();
  }

  async #run(stop: AbortSignal): Promise<void> {
    let failures = 0;
    while (!stop.aborted) {
      const restart = new AbortController();
      this.#restart = restart;
      if (this.#options.feeds().length === 0) {
        this.#delivers(undefined);
        await pause(this.#options.poll_ms, restart.signal).catch(() => undefined);
        continue;
      }
      if (failures < STREAM_FAILURES) {
        const delivered = await this.#stream(restart.signal);
        if (restart.signal.aborted) continue;
        failures = delivered ? 0 : failures + 1;
        if (failures < STREAM_FAILURES) {
          await pause(waitBefore(failures, this.#options.backoff), restart.signal).catch(() => undefined);
        }
        continue;
      }
      await this.#poll(restart.signal);
      if (!restart.signal.aborted) failures = STREAM_FAILURES - 1;
    }
  }

  /** Returns whether anything was received. */
  async #stream(signal: AbortSignal): Promise<boolean> {
    const { client, feeds, silence_ms_max } = this.#options;
    let delivered = false;
    await readStream({
      client,
      topics: feeds(),
      last_event_id: this.#last_event_id,
      silence_ms_max,
      signal,
      received: (id) => {
        delivered = true;
        this.#last_event_id = id ?? this.#last_event_id;
        this.#delivers('stream');
      },
    });
    return delivered;
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { client, feeds, poll_ms, poll_for_ms } = this.#options;
    const memory: PollMemory = new Map();
    const until = Date.now() + poll_for_ms;
    while (!signal.aborted && Date.now() < until) {
      const got_through = await pollTopics(client, feeds(), memory, signal);
      if (signal.aborted) return;
      this.#delivers(got_through ? 'polling' : undefined);
      await pause(poll_ms * (0.75 + Math.random() / 2), signal).catch(() => undefined);
    }
  }

  #delivers(way: 'stream' | 'polling' | undefined): void {
    const is_out = way === undefined;
    if (this.way === way && this.is_out === is_out) return;
    [this.way, this.is_out] = [way, is_out];
    this.#options.changed();
  }
}
