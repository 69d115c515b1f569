// Server-sent events, read from a fetched stream (WHATWG HTML, section 9.2.6).

/** An event of a stream. */
export interface StreamEvent {
  data: string;
  /** The newest id so far, to be sent as `Last-Event-ID`. */
  id: string | undefined;
}

/** Splits a stream of text into events. */
export class EventParser {
  #rest = '';
  #data: string[] = [];
  #id: string | undefined;

  /** Returns the events that this piece of text completes. */
  push(text: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0) events.push({ data: this.#data.join('\n'), id: this.#id });
        this.#data = [];
        continue;
      }
      const colon = line.indexOf(':');
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (name === 'data') this.#data.push(value);
      if (name === 'id' && !value.includes('\0')) this.#id = value;
    }
    return events;
  }
}
