// A topic: its newest state, its facts in order, and its listeners.

import { announce } from '../announce.js';
import { Problem } from '../problem.js';
import type { FactOf, Place, StateOf, TopicFrame, TopicName } from './frames.js';
import { Mailbox } from './mailbox.js';

/** Facts were lost, between two connections or because the reader was too slow. The state is still correct. */
export interface Gap {
  type: 'gap';
}

/** The listeners to a topic. */
export interface TopicListeners<N extends TopicName> {
  /** Receives the newest state; called at once if one is already known. */
  state?(state: StateOf<N>): void;
  /** Receives each fact once, in order. */
  fact?(fact: FactOf<N>): void;
  /** Called when facts were lost. */
  gap?(): void;
  /** Called when the topic is refused. The client subscribes again when the session changes. */
  refused?(problem: Problem): void;
  /** Called when the live connection has stopped permanently. */
  stopped?(error: Error | undefined): void;
}

/** A topic. It is subscribed to as long as it has a listener. */
export interface Topic<N extends TopicName = TopicName> {
  readonly name: N;
  /** The newest known state. */
  readonly state: StateOf<N> | undefined;
  /** The reason for which the topic was refused, if it was. */
  readonly problem: Problem | undefined;
  /** Adds listeners. The returned function removes them. */
  on(listeners: TopicListeners<N>): () => void;
  /** The states in order. A slow reader gets only the newest. */
  states(signal?: AbortSignal): AsyncIterableIterator<StateOf<N>>;
  /** The facts in order, with gaps where some were lost. */
  facts(signal?: AbortSignal): AsyncIterableIterator<FactOf<N> | Gap>;
}

/** A topic, as the connections feed it. */
export class TopicFeed<N extends TopicName = TopicName> implements Topic<N> {
  readonly name: N;
  state: StateOf<N> | undefined;
  problem: Problem | undefined;
  /** The place after the last received fact. */
  place: Place | undefined;
  readonly #listeners = new Set<TopicListeners<N>>();
  readonly #wanted: () => void;

  /** `wanted` is called when the first listener is added or the last one is removed. */
  constructor(name: N, wanted: () => void) {
    this.name = name;
    this.#wanted = wanted;
  }

  /** Whether the topic has a listener. */
  get is_wanted(): boolean {
    return this.#listeners.size > 0;
  }

  /**
   * The place to resume from, if a listener follows facts. Otherwise `undefined`: a fresh state is worth more than the
   * missed facts.
   */
  get since(): Place | undefined {
    const follows = [...this.#listeners].some((listeners) => listeners.fact ?? listeners.gap);
    return follows ? this.place : undefined;
  }

  on(listeners: TopicListeners<N>): () => void {
    // A copy, because the same listeners may be added twice.
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

  /** Processes a frame about the topic. */
  take(frame: TopicFrame): void {
    switch (frame.op) {
      case 'subscribed':
        return this.#subscribed(frame);
      case 'event':
        return this.#event(frame);
      case 'state':
        return this.takeState(frame.data);
      case 'gap':
        // A `subscribed` with a state follows without a request.
        this.place = undefined;
        return this.#tellGap();
      case 'refused':
        return this.refuse(new Problem(frame.problem));
    }
  }

  /** Records a newer state. */
  takeState(state: unknown): void {
    this.problem = undefined;
    this.state = state as StateOf<N>;
    this.#tell((listeners) => listeners.state?.(state as StateOf<N>));
  }

  /** Records that the topic was refused. */
  refuse(problem: Problem): void {
    this.problem = problem;
    this.state = undefined;
    this.place = undefined;
    this.#tell((listeners) => listeners.refused?.(problem));
  }

  /** Notifies the listeners that the connection has stopped permanently. */
  stop(error: Error | undefined): void {
    this.#tell((listeners) => listeners.stopped?.(error));
  }

  #subscribed({ epoch, offset, state }: TopicFrame & { op: 'subscribed' }): void {
    this.problem = undefined;
    // Without a state the subscription resumes at our place: the missed facts follow.
    if (state === undefined && this.place?.epoch === epoch) return;
    const before = this.place;
    this.place = { epoch, offset };
    if (before && (before.epoch !== epoch || before.offset < offset)) this.#tellGap();
    if (state !== undefined) this.takeState(state);
  }

  #event({ offset, type, data }: TopicFrame & { op: 'event' }): void {
    const place = this.place;
    // Not subscribed yet, or already received another way.
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
