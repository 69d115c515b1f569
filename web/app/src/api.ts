/**
 * What pages ask of the server: operations by their `operationId`, as the OpenAPI document names them.
 *
 * An error is seen as a `ShopError` with a stable `code`: the problem's own, or `network` when no answer came.
 */
import { isProblem, Problem, Unreachable } from "@fusioncommerce/client";
import { client, sessionLost } from "./client";
import type { ProblemSaid } from "./types";

export const call = client.call.bind(client);

/** Codes after which the same question with the same key may still get an answer. */
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

/** Whatever was thrown, as a `ShopError`. */
export function asShopError(thrown: unknown): ShopError {
  if (thrown instanceof ShopError) return thrown;
  if (thrown instanceof Unreachable) return new ShopError("network");
  if (isProblem(thrown, "invalid_refresh_token")) return new ShopError("session_ended", thrown.document);
  // Without a session that can be renewed, and without leave to start another, we were asked who we are.
  if (sessionLost.peek() && isProblem(thrown, "authentication_required", "invalid_token")) {
    return new ShopError("session_ended", thrown.document);
  }
  return thrown instanceof Problem
    ? new ShopError(thrown.code, thrown.document, thrown.retry_after_ms)
    : new ShopError("internal");
}
