// The parameters, bodies and responses of operations, derived from the types generated from the served OpenAPI
// document.

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

/** The path and query parameters of an operation. */
export type ParamsOf<Op extends OperationId> = PathOf<Op> & QueryOf<Op>;

/** A CSV table: the value of a file input, or a string. */
export type Csv = string | Blob | ArrayBuffer;

type ContentOf<B> = NonNullable<B> extends { content: infer C }
  ? C extends { 'application/json': infer J }
    ? J
    : Csv
  : never;

/** The request body of an operation. `never` if it takes none. */
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

/** Options of a call that are the same for every operation. */
export interface Manner {
  /** The idempotency key. Default: a new random key. Pass one to be able to repeat the call after a reload. */
  key?: string;
  /** The ETag of a previous response: the response is a `304` if nothing has changed since. */
  etag?: string;
  /** Stops waiting for the response. A request that has been sent may still take effect. */
  signal?: AbortSignal;
  /** Sends no token, for operations that need none: no session is used or renewed. */
  anonymous?: boolean;
  /** The retry policy, where it differs from that of the client. */
  retry?: Partial<RetryPolicy>;
  /** Called before each retry, with the reason and the longest wait. */
  waiting?: (why: Problem | Unreachable, ms: number) => void;
}

/** The arguments of a call of an operation. */
export type AskFor<Op extends OperationId> = ParamsPart<Op> & BodyPart<Op> & VersionPart<Op> & Manner;

/** `[ask?]` if the operation needs no arguments, otherwise `[ask]`. */
export type AskArguments<Op extends OperationId> = Nothing extends AskFor<Op> ? [ask?: AskFor<Op>] : [ask: AskFor<Op>];

type Success = 200 | 201 | 202 | 204;
type AnswerBody<R> = R extends { content: infer C }
  ? C extends { 'application/json': infer J }
    ? J
    : string
  : undefined;

/** The response body of a successful operation. `undefined` if it has none. */
export type AnswerOf<Op extends OperationId> = {
  [S in keyof operations[Op]['responses'] & Success]: AnswerBody<operations[Op]['responses'][S]>;
}[keyof operations[Op]['responses'] & Success];

/** A response with the values of its headers. */
export interface Answer<Body> {
  /** 200, 201, 202, 204, or 304 for a call with an `etag`. */
  readonly status: number;
  /** The body. `undefined` with 204 and 304. */
  readonly body: Body;
  /** The value to send as `etag` with the next call. */
  readonly etag: string | undefined;
  /** The location of the created resource. */
  readonly location: string | undefined;
  /** Whether the response is the stored response to an earlier request with the same key. */
  readonly replayed: boolean;
  /** The idempotency key that was sent. */
  readonly key: string | undefined;
}
