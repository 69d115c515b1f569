// A buffer between a producer and a slower reader.

/**
 * The number of facts that are buffered for a slow reader. Beyond it the oldest are dropped, and the reader gets a gap.
 */
const WAITING_MAX = 10_000;

/** Buffers values until they are read; `conflate` keeps only the newest. */
export class Mailbox<T> implements AsyncIterableIterator<T> {
  readonly #conflate: boolean;
  readonly #lost: (() => T) | undefined;
  readonly #closed: () => void;
  #waiting: T[] = [];
  #asked: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void }[] = [];
  #end: { error?: unknown } | undefined;

  /** `lost` creates the value that replaces dropped values; `closed` is called once, when the reader stops. */
  constructor({ conflate, lost, closed }: { conflate: boolean; lost?: () => T; closed: () => void }) {
    this.#conflate = conflate;
    this.#lost = lost;
    this.#closed = closed;
  }

  /** Adds a value. */
  put(value: T): void {
    if (this.#end) return;
    const asked = this.#asked.shift();
    if (asked) return asked.resolve({ done: false, value });
    if (this.#conflate) this.#waiting = [];
    if (this.#waiting.length >= WAITING_MAX) this.#waiting = this.#lost ? [this.#lost()] : [];
    this.#waiting.push(value);
  }

  /** Ends the buffer: buffered values are still read, then the iteration completes, or fails with `error`. */
  end(error?: unknown): void {
    if (this.#end) return;
    this.#end = error === undefined ? {} : { error };
    for (const { resolve, reject } of this.#asked.splice(0)) {
      if (error === undefined) resolve({ done: true, value: undefined });
      else reject(error);
    }
    this.#closed();
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#waiting.length > 0) return Promise.resolve({ done: false, value: this.#waiting.shift() as T });
    const end = this.#end;
    if (!end) return new Promise((resolve, reject) => this.#asked.push({ resolve, reject }));
    if (!('error' in end)) return Promise.resolve({ done: true, value: undefined });
    this.#end = {};
    return Promise.reject(end.error);
  }

  return(): Promise<IteratorResult<T>> {
    this.#waiting = [];
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
