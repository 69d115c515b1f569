// Errors: reported by the shop (`Problem`), or a missing response (`Unreachable`).

import type { FieldError, Money } from './contract.js';
import type { components } from './schema.js';

/** The codes that clients branch on. Codes are never renamed. */
export type ProblemCode = components['schemas']['Problem']['code'];

/** The values of a problem that has more than its code. The page `/problems/{code}` explains them. */
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
  /** The title, the same at every occurrence. */
  title: string;
  status: number;
  /** The details of this occurrence. */
  detail: string;
  /** The id of the request in the server's logs. */
  request_id?: string;
  /** The number of seconds after which to retry. */
  retry_after?: number;
  /** The invalid fields, with their errors. */
  errors?: FieldError[];
}

/** The problem document (RFC 9457) of one code. */
export type ProblemOf<C extends ProblemCode> = Common & { code: C } & (C extends keyof Members ? Members[C] : unknown);

/** Any problem document, discriminated by `code`. */
export type ProblemDocument = { [C in ProblemCode]: ProblemOf<C> }[ProblemCode];

/**
 * The shop has refused the request, or failed to carry it out.
 *
 * The members of the document (`available`, `may_return`, `remaining`, `starts_at`, …) are also members of the error:
 * narrow with {@link isProblem}, or switch over `problem.document.code`.
 */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly request_id: string | undefined;
  readonly detail: string;
  readonly errors: readonly FieldError[];
  readonly document: ProblemDocument;
  /** The idempotency key of the call. Repeating the call with it never carries out the command twice. */
  readonly key: string | undefined;
  /** The time after which to retry, if the shop sent one. */
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
 * No response of the shop arrived: the network failed, the request timed out, or a proxy responded instead. A command
 * may have been carried out nevertheless; repeat it with the same `key` to get its response.
 */
export class Unreachable extends Error {
  readonly key: string | undefined;
  /** The status of the proxy's response, if there was one. */
  readonly status: number | undefined;

  constructor(why: string, also: { key?: string | undefined; status?: number | undefined; cause?: unknown } = {}) {
    super(why, { cause: also.cause });
    this.name = 'Unreachable';
    this.key = also.key;
    this.status = also.status;
  }
}

/** Returns whether an error is a problem of the shop; if codes are given, with one of these codes. */
export function isProblem<C extends ProblemCode = ProblemCode>(
  error: unknown,
  ...codes: C[]
): error is Problem & ProblemOf<C> {
  return error instanceof Problem && (codes.length === 0 || (codes as string[]).includes(error.code));
}

/** Returns whether the command may or may not have been carried out. Repeat it with `error.key`. */
export function isUnknown(error: unknown): error is Problem | Unreachable {
  return error instanceof Unreachable || isProblem(error, 'outcome_unknown');
}

/** Returns the problem document in a response body, if it is one. */
export function problemDocument(body: unknown): ProblemDocument | undefined {
  const known = typeof body === 'object' && body !== null && 'code' in body && 'status' in body;
  return known ? (body as ProblemDocument) : undefined;
}
