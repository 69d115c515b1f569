// Commands on a connection that wait for their reply.

import type { Connection } from './connection.js';
import type { ClientFrame, CommandId, ServerFrame } from './frames.js';

/** A reply, or none if the connection broke or the reply took too long. */
export type Outcome = (ServerFrame & { op: 'reply' }) | 'no_reply';

/** A command without the id of its reply. */
export type CommandBody = Omit<ClientFrame & { op: 'command' }, 'op' | 'id'>;

/** The commands in flight of one live client. */
export class Commands {
  readonly #waiting = new Map<CommandId, (outcome: Outcome) => void>();
  /** Commands whose caller has stopped waiting. The server still counts them as in flight. */
  readonly #given_up = new Set<CommandId>();
  readonly #reply_ms_max: number;
  #next = 1;

  constructor(reply_ms_max: number) {
    this.#reply_ms_max = reply_ms_max;
  }

  /** The number of commands that the server has not answered. */
  get in_flight(): number {
    return this.#waiting.size + this.#given_up.size;
  }

  /** Sends a command and waits for its outcome. Rejects only when `signal` is aborted. */
  send(connection: Connection, command: CommandBody, signal?: AbortSignal): Promise<Outcome> {
    signal?.throwIfAborted();
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#forget(id, timer);
        this.#given_up.add(id);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        this.#given_up.add(id);
        this.#waiting.get(id)?.('no_reply');
      }, this.#reply_ms_max);
      this.#waiting.set(id, (outcome) => {
        this.#forget(id, timer);
        signal?.removeEventListener('abort', stop);
        resolve(outcome);
      });
      signal?.addEventListener('abort', stop, { once: true });
      connection.send({ op: 'command', id, ...command });
    });
  }

  /** Delivers a reply. A reply without a waiting caller is ignored. */
  take(reply: ServerFrame & { op: 'reply' }): void {
    this.#given_up.delete(reply.id);
    this.#waiting.get(reply.id)?.(reply);
  }

  /** Ends all commands in flight without a reply, because the connection has ended. */
  breakOff(): void {
    for (const settle of [...this.#waiting.values()]) settle('no_reply');
    this.#given_up.clear();
  }

  #forget(id: CommandId, timer: ReturnType<typeof setTimeout>): void {
    clearTimeout(timer);
    this.#waiting.delete(id);
  }
}
