// One topic: its newest state, its facts in order, and those who want to hear of them.

import { announce } from '../announce.js';
import { Problem } from '../problem.js';
import type { FactOf, Place, StateOf, TopicFrame, TopicName } from './frames.js';
import { Mailbox } from './mailbox.js';

/** Facts were lost: between two connections, or by a reader that is too slow. The state is right nevertheless. */
export interface Gap {
  type: 'gap';
}

/** Those who want to hear of a topic. */
export interface TopicListeners<N extends TopicName> {
  /** The newest state; at once, when one is known already. */
  state?(state: StateOf<N>): void;
  /** A fact: each once, in order. */
  fact?(fact: FactOf<N>): void;
  /** Facts were lost. */
  gap?(): void;
  /** The topic cannot be had. It is asked for again when the session changes. */
  refused?(problem: Problem): void;
  /** The live connection has stopped for good. */
  stopped?(error: Error | undefined): void;
}

/** A topic that can be followed. It is subscribed to as long as someone listens. */
export interface Topic<N extends TopicName = TopicName> {
  readonly name: N;
  /** The newest state that is known. */
  readonly state: StateOf<N> | undefined;
  /** Why it cannot be had, if so. */
  readonly problem: Problem | undefined;
  /** Listens, until what it returns is called. */
  on(listeners: TopicListeners<N>): () => void;
  /** The states as they come; of those that came while the reader was busy only the newest. */
  states(signal?: AbortSignal): AsyncIterableIterator<StateOf<N>>;
  /** The facts in order, and gaps where some were lost. */
  facts(signal?: AbortSignal): AsyncIterableIterator<FactOf<N> | Gap>;
}

/** A topic, and what the connections tell it. */
export class TopicFeed<N extends TopicName = TopicName> implements Topic<N> {
  readonly name: N;
  state: StateOf<N> | undefined;
  problem: Problem | undefined;
  /** Behind the last fact that was heard. */
  place: Place | undefined;
  readonly #listeners = new Set<TopicListeners<N>>();
  readonly #wanted: () => void;

  /** `wanted` is called when the first listener comes or the last one goes. */
  constructor(name: N, wanted: () => void) {
    this.name = name;
    this.#wanted = wanted;
  }

  /** Whether someone listens. */
  get is_wanted(): boolean {
    return this.#listeners.size > 0;
  }

  /**
   * Where to go on from: only if someone follows the facts. Otherwise a fresh state is worth more than what lies between.
   */
  get since(): Place | undefined {
    const follows = [...this.#listeners].some((listeners) => listeners.fact ?? listeners.gap);
    return follows ? this.place : undefined;
  }

  on(listeners: TopicListeners<N>): () => void {
    // A copy: the same listeners may be given twice.
    const mine = { ...listeners };
    this.#listeners.add(mine);
    if (this.#listeners.size === 1) this.#wanted();
    if (this.state !== undefined) mine.state?.(this.state);
    if (this.problem) mine.refused?.(this.problem);
    return () => {
      if (this.#listeners.delete(mine) && !this.is_wanted) this.#wanted();
    };
  }

  states(signal?: AbortSignal): AsyncIterableIterator<StateOf<N>> {
    return this.#iterate<StateOf<N>>({ conflate: true }, signal, (box) => ({ state: (state) => box.put(state) }));
  }

  facts(signal?: AbortSignal): AsyncIterableIterator<FactOf<N> | Gap> {
    const gap = (): Gap => ({ type: 'gap' });
    return this.#iterate<FactOf<N> | Gap>({ conflate: false, lost: gap }, signal, (box) => ({
      fact: (fact) => box.put(fact),
      gap: () => box.put(gap()),
    }));
  }

  #iterate<T>(
    kind: { conflate: boolean; lost?: () => T },
    signal: AbortSignal | undefined,
    listeners: (box: Mailbox<T>) => TopicListeners<N>,
  ): Mailbox<T> {
    let off: (() => void) | undefined;
    const stop = () => box.end();
    const box: Mailbox<T> = new Mailbox<T>({
      ...kind,
      closed: () => {
        off?.();
        signal?.removeEventListener('abort', stop);
      },
    });
    if (signal?.aborted) {
      box.end();
      return box;
    }
    signal?.addEventListener('abort', stop, { once: true });
    off = this.on({
      ...listeners(box),
      refused: (problem) => queueMicrotask(() => box.end(problem)),
      stopped: (error) => box.end(error),
    });
    return box;
  }

  /** Takes in what the server says of the topic. */
  take(frame: TopicFrame): void {
    switch (frame.op) {
      case 'subscribed':
        return this.#subscribed(frame);
      case 'event':
        return this.#event(frame);
      case 'state':
        return this.takeState(frame.data);
      case 'gap':
        // `subscribed` follows by itself, with a state.
        this.place = undefined;
        return this.#tellGap();
      case 'refused':
        return this.refuse(new Problem(frame.problem));
    }
  }

  /** Takes in a newer state. */
  takeState(state: unknown): void {
    this.problem = undefined;
    this.state = state as StateOf<N>;
    this.#tell((listeners) => listeners.state?.(state as StateOf<N>));
  }

  /** The topic cannot be had. */
  refuse(problem: Problem): void {
    this.problem = problem;
    this.state = undefined;
    this.place = undefined;
    this.#tell((listeners) => listeners.refused?.(problem));
  }

  /** Nothing will come any more. */
  stop(error: Error | undefined): void {
    this.#tell((listeners) => listeners.stopped?.(error));
  }

  #subscribed({ epoch, offset, state }: TopicFrame & { op: 'subscribed' }): void {
    this.problem = undefined;
    // Without a state we go on from our own place: the facts in between come now.
    if (state === undefined && this.place?.epoch === epoch) return;
    const before = this.place;
    this.place = { epoch, offset };
    if (before && (before.epoch !== epoch || before.offset < offset)) this.#tellGap();
    if (state !== undefined) this.takeState(state);
  }

  #event({ offset, type, data }: TopicFrame & { op: 'event' }): void {
    const place = this.place;
    // Not subscribed yet, or heard already by another way.
    if (!place || offset <= place.offset) return;
    this.place = { epoch: place.epoch, offset };
    if (offset > place.offset + 1) this.#tellGap();
    this.#tell((listeners) => listeners.fact?.({ type, data } as FactOf<N>));
  }

  #tellGap(): void {
    this.#tell((listeners) => listeners.gap?.());
  }

  #tell(of: (listeners: TopicListeners<N>) => void): void {
    announce(this.#listeners, of);
  }
}
