// What each operation takes and answers, read off the types that are generated from the served OpenAPI document.

import type { Problem, Unreachable } from './problem.js';
import type { RetryPolicy } from './rest/retry.js';
import type { ROUTES } from './routes.js';
import type { components, operations } from './schema.js';

type Schemas = components['schemas'];

export type AddressField = Schemas['AddressField'];
export type AddressFormat = Schemas['AddressFormat'];
export type Cart = Schemas['Cart'];
export type CartLine = Schemas['CartLine'];
export type Checkout = Schemas['Checkout'];
export type Claim = Schemas['Claim'];
export type ClaimBuyer = Schemas['ClaimBuyer'];
export type Currency = Schemas['Currency'];
export type Drop = Schemas['Drop'];
export type DropItem = Schemas['DropItem'];
export type DropSeries = Schemas['DropSeries'];
export type DropSeriesPoint = Schemas['DropSeriesPoint'];
export type FieldError = Schemas['FieldError'];
export type Import = Schemas['Import'];
export type Levels = Schemas['Levels'];
export type Me = Schemas['Me'];
export type Money = Schemas['Money'];
export type NewCheckout = Schemas['NewCheckout'];
export type NewDrop = Schemas['NewDrop'];
export type NewProduct = Schemas['NewProduct'];
export type NextAction = Schemas['NextAction'];
export type Order = Schemas['Order'];
export type OrderLine = Schemas['OrderLine'];
export type Product = Schemas['Product'];
export type Quote = Schemas['Quote'];
export type RejectedRow = Schemas['RejectedRow'];
export type ShippingAddress = Schemas['ShippingAddress'];
export type Variant = Schemas['Variant'];

/** An operation of the REST API: `create_claim`, `get_drop`, … */
export type OperationId = keyof typeof ROUTES & keyof operations;

type Nothing = Record<never, never>;
type Given<T> = [NonNullable<T>] extends [never] ? Nothing : NonNullable<T>;
type PathOf<Op extends OperationId> = operations[Op]['parameters'] extends { path: infer P } ? Given<P> : Nothing;
type QueryOf<Op extends OperationId> = operations[Op]['parameters'] extends { query?: infer Q } ? Given<Q> : Nothing;
type RequiredKeys<T> = { [K in keyof T]-?: Nothing extends Pick<T, K> ? never : K }[keyof T];

/** What stands in the path and in the query of an operation. */
export type ParamsOf<Op extends OperationId> = PathOf<Op> & QueryOf<Op>;

/** A table: what a file input gives, or a text. */
export type Csv = string | Blob | ArrayBuffer;

type ContentOf<B> = NonNullable<B> extends { content: infer C }
  ? C extends { 'application/json': infer J }
    ? J
    : Csv
  : never;

/** The body that an operation takes. `never` when it takes none. */
export type BodyOf<Op extends OperationId> = operations[Op] extends { requestBody?: infer B } ? ContentOf<B> : never;

type ParamsPart<Op extends OperationId> = [RequiredKeys<ParamsOf<Op>>] extends [never]
  ? { params?: ParamsOf<Op> }
  : { params: ParamsOf<Op> };
type BodyPart<Op extends OperationId> = [BodyOf<Op>] extends [never]
  ? { body?: undefined }
  : operations[Op] extends { requestBody: { content: unknown } }
    ? { body: BodyOf<Op> }
    : { body?: BodyOf<Op> };
type VersionPart<Op extends OperationId> = operations[Op]['parameters'] extends { header: { 'If-Match': string } }
  ? { version: number }
  : { version?: undefined };

/** How a call is made, whatever the operation. */
export interface Manner {
  /** The idempotency key. A new random one when it is left out. Give one to be able to ask again after a reload. */
  key?: string;
  /** What was read before, by its ETag: a `304` answers when nothing has changed since. */
  etag?: string;
  /** Gives up waiting. What has been sent may still take effect. */
  signal?: AbortSignal;
  /** Asks as nobody, where the operation answers everyone: no session is looked at, or renewed first. */
  anonymous?: boolean;
  /** How often is asked again, where it differs from the client's own manner. */
  retry?: Partial<RetryPolicy>;
  /** Told before each repetition: why, and after how long at the latest. */
  waiting?: (why: Problem | Unreachable, ms: number) => void;
}

/** What a call of an operation says. */
export type AskFor<Op extends OperationId> = ParamsPart<Op> & BodyPart<Op> & VersionPart<Op> & Manner;

/** `[ask?]` where nothing has to be said, else `[ask]`. */
export type AskArguments<Op extends OperationId> = Nothing extends AskFor<Op> ? [ask?: AskFor<Op>] : [ask: AskFor<Op>];

type Success = 200 | 201 | 202 | 204;
type AnswerBody<R> = R extends { content: infer C }
  ? C extends { 'application/json': infer J }
    ? J
    : string
  : undefined;

/** What an operation answers when it succeeds. `undefined` where it answers without a body. */
export type AnswerOf<Op extends OperationId> = {
  [S in keyof operations[Op]['responses'] & Success]: AnswerBody<operations[Op]['responses'][S]>;
}[keyof operations[Op]['responses'] & Success];

/** An answer with what its headers say. */
export interface Answer<Body> {
  /** 200, 201, 202, 204, or 304 for a call with an `etag`. */
  readonly status: number;
  /** The body. `undefined` with 204 and 304. */
  readonly body: Body;
  /** What to send as `etag` next time. */
  readonly etag: string | undefined;
  /** Where the new thing is. */
  readonly location: string | undefined;
  /** Whether the answer was given before, to the same key. */
  readonly replayed: boolean;
  /** The idempotency key that was sent. */
  readonly key: string | undefined;
}
