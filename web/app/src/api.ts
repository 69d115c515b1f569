/**
 * Requests of pages: operations by their `operationId` in the OpenAPI document.
 *
 * Pages see an error as a `ShopError` with a stable `code`: that of the problem, or `network` if no response came.
 */
import { isProblem, Problem, Unreachable } from "@fusioncommerce/client";
import { client, sessionLost } from "./client";
import type { ProblemSaid } from "./types";

export const call = client.call.bind(client);

/** The codes after which repeating the same request with the same key may succeed. */
const FOR_NOW: readonly string[] = ["network", "outcome_unknown", "overloaded", "unavailable", "rate_limited", "busy"];

export class ShopError extends Error {
  constructor(
    readonly code: string,
    readonly problem?: ProblemSaid,
    readonly retryAfterMs?: number,
  ) {
    super(code);
  }

  get mayAskAgain(): boolean {
    return FOR_NOW.includes(this.code);
  }
}

/** Converts any thrown value to a `ShopError`. */
export function asShopError(thrown: unknown): ShopError {
  if (thrown instanceof ShopError) return thrown;
  if (thrown instanceof Unreachable) return new ShopError("network");
  if (isProblem(thrown, "invalid_refresh_token")) return new ShopError("session_ended", thrown.document);
  // The session can no longer be renewed, and no new one may be started, so the server asked for authentication.
  if (sessionLost.peek() && isProblem(thrown, "authentication_required", "invalid_token")) {
    return new ShopError("session_ended", thrown.document);
  }
  return thrown instanceof Problem
    ? new ShopError(thrown.code, thrown.document, thrown.retry_after_ms)
    : new ShopError("internal");
}
