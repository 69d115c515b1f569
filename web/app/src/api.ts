/**
 * The one door to the API: every operation by its `operationId`, as the OpenAPI document names it.
 *
 * An error is always a `ShopError` with a stable `code`: the problem's own, or `network` when no answer came.
 */
import { learnServerTime } from "./clock";
import { alone, dropSession, endsSoon, holdSession, session, sessionLost, type KeptSession } from "./session";
import { recall } from "./storage";
import type { Cart, Checkout, Claim, Drop, Me, Order, Page, Problem, Product, Session } from "./types";

const TIMEOUT_MS = 15_000;

interface Operations {
  list_products: Page<Product>;
  get_product: Product;
  list_drops: Page<Drop>;
  get_drop: Drop;
  create_claim: Claim;
  release_claim: undefined;
  get_claim: Claim;
  list_claims: Page<Claim>;
  create_cart: Cart;
  get_cart: Cart;
  add_cart_line: Cart;
  update_cart_line: Cart;
  remove_cart_line: undefined;
  create_checkout: Checkout;
  get_checkout: Checkout;
  list_checkouts: Page<Checkout>;
  confirm_checkout: Checkout;
  cancel_checkout: Checkout;
  list_orders: Page<Order>;
  get_order: Order;
  get_me: Me;
  create_session: Session;
  refresh_session: Session;
  end_session: undefined;
  create_account: Session;
}

export type Operation = keyof Operations;

/** `open`: works without a session, and does not make one. */
const ROUTES: Record<Operation, [method: string, path: string, open?: "open"]> = {
  list_products: ["GET", "/v1/products", "open"],
  get_product: ["GET", "/v1/products/{id}", "open"],
  list_drops: ["GET", "/v1/drops", "open"],
  get_drop: ["GET", "/v1/drops/{id}", "open"],
  create_claim: ["POST", "/v1/drops/{id}/claims"],
  release_claim: ["DELETE", "/v1/drops/{id}/claims/{claim_id}"],
  get_claim: ["GET", "/v1/drops/{id}/claims/{claim_id}"],
  list_claims: ["GET", "/v1/claims"],
  create_cart: ["POST", "/v1/carts"],
  get_cart: ["GET", "/v1/carts/{id}"],
  add_cart_line: ["POST", "/v1/carts/{id}/lines"],
  update_cart_line: ["PATCH", "/v1/carts/{id}/lines/{line_id}"],
  remove_cart_line: ["DELETE", "/v1/carts/{id}/lines/{line_id}"],
  create_checkout: ["POST", "/v1/checkouts"],
  get_checkout: ["GET", "/v1/checkouts/{id}"],
  list_checkouts: ["GET", "/v1/checkouts"],
  confirm_checkout: ["POST", "/v1/checkouts/{id}/confirm"],
  cancel_checkout: ["POST", "/v1/checkouts/{id}/cancel"],
  list_orders: ["GET", "/v1/orders"],
  get_order: ["GET", "/v1/orders/{id}", "open"],
  get_me: ["GET", "/v1/me"],
  create_session: ["POST", "/v1/sessions", "open"],
  refresh_session: ["POST", "/v1/sessions/refresh", "open"],
  end_session: ["DELETE", "/v1/sessions/current"],
  create_account: ["POST", "/v1/accounts", "open"],
};

export interface Ask {
  /** What stands in the path; the rest goes to the query. */
  params?: Record<string, string | undefined>;
  body?: unknown;
  /** The idempotency key. */
  key?: string;
  signal?: AbortSignal;
}

export class ShopError extends Error {
  constructor(
    readonly code: string,
    readonly problem: Problem | undefined,
    readonly retryAfterMs: number | undefined,
  ) {
    super(code);
  }

  /** Whether the same question with the same key may still get an answer. */
  get mayAskAgain(): boolean {
    return ["network", "outcome_unknown", "overloaded", "unavailable", "rate_limited", "busy"].includes(this.code);
  }
}

/** Whatever was thrown, as a `ShopError`. */
export function asShopError(thrown: unknown): ShopError {
  return thrown instanceof ShopError ? thrown : new ShopError("internal", undefined, undefined);
}

export async function call<O extends Operation>(operation: O, ask: Ask = {}): Promise<Operations[O]> {
  const open = ROUTES[operation][2] === "open";
  try {
    return await callAsBuyer(operation, ask, !open);
  } catch (thrown) {
    // What everybody may see is seen without a session, too.
    if (open && asShopError(thrown).code === "session_ended") return send(operation, ask, undefined);
    throw thrown;
  }
}

async function callAsBuyer<O extends Operation>(operation: O, ask: Ask, needed: boolean): Promise<Operations[O]> {
  const kept = await liveSession(needed);
  try {
    return await send(operation, ask, kept?.token);
  } catch (thrown) {
    if (!kept || asShopError(thrown).code !== "invalid_token") throw thrown;
    const renewed = await renew(kept);
    return send(operation, ask, renewed.token);
  }
}

/** The session to speak with; a guest's is made when `needed`. */
async function liveSession(needed: boolean): Promise<KeptSession | undefined> {
  const kept = session.value;
  if (kept && endsSoon(kept)) return renew(kept);
  if (kept || !needed) return kept;
  // Nobody becomes another person unasked.
  if (sessionLost.value) throw new ShopError("session_ended", undefined, undefined);
  return alone(async () => {
    const madeElsewhere = recall<KeptSession>("session");
    if (madeElsewhere) {
      session.value = madeElsewhere;
      return madeElsewhere;
    }
    const guest: KeptSession = await send("create_session", { body: {} }, undefined);
    holdSession(guest);
    return guest;
  });
}

function renew(old: KeptSession): Promise<KeptSession> {
  return alone(async () => {
    const newest = recall<KeptSession>("session");
    if (newest && newest.token !== old.token) {
      session.value = newest;
      return newest;
    }
    try {
      const fresh = await send("refresh_session", { body: { refresh_token: old.refresh_token } }, undefined);
      const next: KeptSession = old.email === undefined ? fresh : { ...fresh, email: old.email };
      holdSession(next);
      return next;
    } catch (thrown) {
      const error = asShopError(thrown);
      if (error.mayAskAgain) throw error;
      dropSession(true);
      throw new ShopError("session_ended", error.problem, undefined);
    }
  });
}

async function send<O extends Operation>(operation: O, ask: Ask, token: string | undefined): Promise<Operations[O]> {
  const [method, template] = ROUTES[operation];
  const headers = new Headers();
  if (token) headers.set("Authorization", `Bearer ${token}`);
  if (ask.body !== undefined) headers.set("Content-Type", "application/json");
  if (ask.key) headers.set("Idempotency-Key", ask.key);

  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  const askedAt = performance.now();
  try {
    response = await fetch(address(template, ask.params ?? {}), {
      method,
      headers,
      ...(ask.body !== undefined ? { body: JSON.stringify(ask.body) } : {}),
      signal: ask.signal ? AbortSignal.any([ask.signal, timeout]) : timeout,
    });
  } catch (thrown) {
    if (ask.signal?.aborted) throw thrown;
    throw new ShopError("network", undefined, undefined);
  }
  if (response.status === 204) return undefined as Operations[O];
  const json = response.headers.get("Content-Type")?.includes("json") ?? false;
  const answer: unknown = json ? await response.json().catch(() => undefined) : undefined;
  if (response.ok && answer !== undefined) {
    const asOf = (answer as { as_of?: string }).as_of;
    if (asOf) learnServerTime(Date.parse(asOf), askedAt);
    return answer as Operations[O];
  }
  throw refusal(response, answer as Problem | undefined);
}

function address(template: string, params: Record<string, string | undefined>): string {
  const query = new URLSearchParams();
  let path = template;
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined) continue;
    const place = `{${name}}`;
    if (path.includes(place)) path = path.replace(place, encodeURIComponent(value));
    else query.set(name, value);
  }
  return query.size > 0 ? `${path}?${query}` : path;
}

function refusal(response: Response, problem: Problem | undefined): ShopError {
  const retryAfterS = Number(response.headers.get("Retry-After"));
  // A gateway in between that answers without a problem says no more than a broken line does.
  const code = problem?.code ?? (response.status >= 500 ? "network" : "internal");
  return new ShopError(code, problem, retryAfterS > 0 ? retryAfterS * 1000 : undefined);
}

export async function signIn(email: string, password: string): Promise<void> {
  const customer = await send("create_session", { body: { email, password } }, session.value?.token);
  holdSession({ ...customer, email });
}

export async function signUp(email: string, password: string): Promise<void> {
  const customer = await send("create_account", { body: { email, password } }, session.value?.token);
  holdSession({ ...customer, email });
}

export async function signOut(): Promise<void> {
  try {
    await call("end_session");
  } finally {
    dropSession(false);
  }
}
