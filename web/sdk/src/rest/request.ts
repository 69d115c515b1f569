// Converts calls to requests.

import type { Manner } from '../contract.js';
import type { Problem } from '../problem.js';
import type { Route } from '../routes.js';
import type { Request } from './attempt.js';

/** The arguments of a call, without the types of its operation. */
export interface AnyAsk extends Manner {
  params?: object;
  body?: unknown;
  version?: number | undefined;
  /** A temporary problem that the socket has returned: it counts as the first attempt. */
  failure?: Problem;
}

/** The target and the identity of a request. */
export interface Envelope {
  readonly base: string;
  readonly tenant: string | undefined;
  readonly token: string | undefined;
  readonly key: string | undefined;
}

/** Returns the request of a call. */
export function toRequest(route: Route, ask: AnyAsk, { base, tenant, token, key }: Envelope): Request {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (token) headers['authorization'] = `Bearer ${token}`;
  if (tenant && !token) headers['fusion-tenant'] = tenant;
  if (key) headers['idempotency-key'] = key;
  if (ask.etag) headers['if-none-match'] = ask.etag;
  if (ask.version !== undefined) headers['if-match'] = `"${ask.version}"`;
  let body: BodyInit | undefined;
  if (ask.body !== undefined) {
    headers['content-type'] = route.csv ? 'text/csv' : 'application/json';
    body = route.csv ? (ask.body as BodyInit) : JSON.stringify(ask.body);
  }
  return { url: base + address(route.path, ask.params ?? {}), method: route.method, headers, body, key };
}

/** Fills in the path; parameters that are not in the path become the query. */
export function address(path: string, params: object): string {
  const rest = new Map(Object.entries(params).filter(([, value]) => value !== undefined && value !== null));
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = rest.get(name);
    // Without the parameter, the path would be that of another operation.
    if (value === undefined || value === '') throw new TypeError(`parameter ${name} of ${path} is required`);
    rest.delete(name);
    return encodeURIComponent(String(value));
  });
  const query = new URLSearchParams([...rest].map(([name, value]) => [name, String(value)])).toString();
  return query === '' ? filled : `${filled}?${query}`;
}
