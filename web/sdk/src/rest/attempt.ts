// A single request and its outcome.

import { Unreachable, Problem, problemDocument } from '../problem.js';
import type { ServerClock } from '../clock.js';

/** A request, the same for every attempt. */
export interface Request {
  readonly url: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: BodyInit | undefined;
  /** The idempotency key among the headers. */
  readonly key: string | undefined;
}

/** The outcome of an attempt. */
export type Attempt =
  /** The shop has responded. */
  | { kind: 'answered'; status: number; body: unknown; headers: Headers }
  /** The shop refuses, and would refuse again. */
  | { kind: 'refused'; problem: Problem }
  /** Temporarily unavailable. The request was not carried out. */
  | { kind: 'not_now'; problem: Problem }
  /** The request may or may not have been carried out. */
  | { kind: 'unknown'; error: Problem | Unreachable };

/** The dependencies of attempts. */
export interface Line {
  readonly fetch: typeof fetch;
  readonly clock: ServerClock;
  /** The time after which an attempt counts as unknown. */
  readonly attempt_ms_max: number;
}

/** Sends `request` once. Rejects only when the caller's signal is aborted. */
export async function attempt(line: Line, request: Request, signal?: AbortSignal): Promise<Attempt> {
  signal?.throwIfAborted();
  const { url, method, headers, body, key } = request;
  const limit = new AbortController();
  const stop = () => limit.abort(signal?.reason);
  signal?.addEventListener('abort', stop, { once: true });
  const timer = setTimeout(() => limit.abort(new Error('the request timed out')), line.attempt_ms_max);
  const asked_at = line.clock.local();
  try {
    const answer = await line.fetch(url, { method, headers, body: body ?? null, signal: limit.signal });
    line.clock.observeHeaders(answer.headers, asked_at);
    return judge(answer, await content(answer), key);
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    return { kind: 'unknown', error: new Unreachable(`${method} ${url} has no answer`, { key, cause }) };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

async function content(answer: Response): Promise<unknown> {
  const text = await answer.text();
  const json = /^application\/(?:[\w.]+\+)?json\b/.test(answer.headers.get('content-type') ?? '');
  if (text === '') return undefined;
  return json ? JSON.parse(text) : text;
}

function judge(answer: Response, body: unknown, key: string | undefined): Attempt {
  const { status, headers } = answer;
  if (answer.ok || status === 304) return { kind: 'answered', status, body, headers };
  const document = problemDocument(body);
  if (!document) {
    // Not a response of the shop, but of a proxy or of another server.
    return { kind: 'unknown', error: new Unreachable(`something between answered with ${status}`, { key, status }) };
  }
  const problem = new Problem(document, { key, retry_after_ms: retryAfter(headers) });
  if (status === 503) return { kind: 'not_now', problem };
  if (status === 504) return { kind: 'unknown', error: problem };
  return { kind: 'refused', problem };
}

function retryAfter(headers: Headers): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}
