// What lies between someone who tells and someone who asks at another pace.

/** Facts that wait for a slow reader. Beyond it the oldest are lost, and the reader is told by a gap. */
const WAITING_MAX = 10_000;

/** Holds values until they are asked for; `conflate` keeps the newest only. */
export class Mailbox<T> implements AsyncIterableIterator<T> {
  readonly #conflate: boolean;
  readonly #lost: (() => T) | undefined;
  readonly #closed: () => void;
  #waiting: T[] = [];
  #asked: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void }[] = [];
  #end: { error?: unknown } | undefined;

  /** `lost` makes what is told in place of values that were dropped; `closed` is called once, when nobody reads any more. */
  constructor({ conflate, lost, closed }: { conflate: boolean; lost?: () => T; closed: () => void }) {
    this.#conflate = conflate;
    this.#lost = lost;
    this.#closed = closed;
  }

  /** Puts a value in. */
  put(value: T): void {
    if (this.#end) return;
    const asked = this.#asked.shift();
    if (asked) return asked.resolve({ done: false, value });
    if (this.#conflate) this.#waiting = [];
    if (this.#waiting.length >= WAITING_MAX) this.#waiting = this.#lost ? [this.#lost()] : [];
    this.#waiting.push(value);
  }

  /** Ends it: what waits is still read, then it is done, or fails. */
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
