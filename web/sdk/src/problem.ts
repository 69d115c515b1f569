// What goes wrong: said by the shop (`Problem`), or not said at all (`Unreachable`).

import type { FieldError, Money } from './contract.js';
import type { components } from './schema.js';

/** What clients branch on. Codes are never renamed. */
export type ProblemCode = components['schemas']['Problem']['code'];

/** What a problem says beyond its code, where it says more. Each page under `/problems/{code}` explains its own. */
interface Members {
  sold_out: { available: number; may_return: boolean };
  limit_reached: { remaining: number };
  network_limit: { remaining: number };
  not_open: { starts_at?: string };
  already_sold: { claim_id?: string };
  already_released: { claim_id?: string };
  checkout_in_progress: { checkout_id: string };
  insufficient_stock: { sku: string; available: number };
  insufficient_available: { available: number };
  unexpected_level: { on_hand: number };
  handle_taken: { product_id: string };
  sku_taken: { sku?: string; product_id: string };
  price_changed: { total: Money };
  not_for_sale: { sku: string };
  payment_declined: { reason?: string };
  payment_failed: { reason?: string };
  payment_provider_unknown: { providers: string[] };
  refund_too_large: { refundable: Money };
  refund_failed: { reason?: string };
  stale_version: { version: number };
}

interface Common {
  /** The page that explains the code. */
  type: string;
  /** What it is, the same at every occurrence. */
  title: string;
  status: number;
  /** What happened this time. */
  detail: string;
  /** Names the request in the server's logs. */
  request_id?: string;
  /** In how many seconds to ask again. */
  retry_after?: number;
  /** What is wrong with which field. */
  errors?: FieldError[];
}

/** The problem document (RFC 9457) of one code. */
export type ProblemOf<C extends ProblemCode> = Common & { code: C } & (C extends keyof Members ? Members[C] : unknown);

/** Any problem document, told apart by `code`. */
export type ProblemDocument = { [C in ProblemCode]: ProblemOf<C> }[ProblemCode];

/**
 * The shop has answered that it will not, or cannot.
 *
 * The members of the document (`available`, `may_return`, `remaining`, `starts_at`, …) stand on the error too: narrow by
 * {@link isProblem}, or switch over `problem.document.code`.
 */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly request_id: string | undefined;
  readonly detail: string;
  readonly errors: readonly FieldError[];
  readonly document: ProblemDocument;
  /** The idempotency key of the call: asking again with it changes nothing that has been done already. */
  readonly key: string | undefined;
  /** When to ask again, where the shop said so. */
  readonly retry_after_ms: number | undefined;

  constructor(document: ProblemDocument, also: { key?: string | undefined; retry_after_ms?: number | undefined } = {}) {
    super(document.detail ?? document.title);
    Object.assign(this, document);
    this.name = 'Problem';
    this.document = document;
    this.code = document.code;
    this.status = document.status;
    this.detail = document.detail;
    this.request_id = document.request_id;
    this.errors = document.errors ?? [];
    this.key = also.key;
    const said_ms = document.retry_after === undefined ? undefined : document.retry_after * 1000;
    this.retry_after_ms = also.retry_after_ms ?? said_ms;
  }
}

/**
 * No answer of the shop has arrived: the network failed, it took too long, or something between answered in its place.
 * A command may have been carried out nevertheless; ask again with the same `key` to hear its answer.
 */
export class Unreachable extends Error {
  readonly key: string | undefined;
  /** What something between answered, if it did. */
  readonly status: number | undefined;

  constructor(why: string, also: { key?: string | undefined; status?: number | undefined; cause?: unknown } = {}) {
    super(why, { cause: also.cause });
    this.name = 'Unreachable';
    this.key = also.key;
    this.status = also.status;
  }
}

/** Whether an error is a problem that the shop told, of one of these codes if some are named. */
export function isProblem<C extends ProblemCode = ProblemCode>(
  error: unknown,
  ...codes: C[]
): error is Problem & ProblemOf<C> {
  return error instanceof Problem && (codes.length === 0 || (codes as string[]).includes(error.code));
}

/** Whether nobody knows if the command was carried out: ask again with `error.key`. */
export function isUnknown(error: unknown): error is Problem | Unreachable {
  return error instanceof Unreachable || isProblem(error, 'outcome_unknown');
}

/** The document in an answer's body, if it is one. */
export function problemDocument(body: unknown): ProblemDocument | undefined {
  const known = typeof body === 'object' && body !== null && 'code' in body && 'status' in body;
  return known ? (body as ProblemDocument) : undefined;
}
