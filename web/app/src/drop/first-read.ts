/** The drop in the URL of the document, requested while its page is still loading. */
import { isProblem } from "@fusioncommerce/client";
import { call } from "../api";
import { match } from "../router";
import { idIn } from "../shop/addresses";
import type { Drop } from "../types";

let first: { id: string; answer: Promise<Drop> } | undefined;

export function readFirst(path: string): void {
  const name = match("/drops/:id", path)?.["id"];
  if (!name) return;
  const id = idIn(name);
  // Without a token, so that the request matches the one that the browser has already sent (`Link: rel=preload`), and
  // no session is renewed before it. A visitor with more access than the public requests it again.
  const answer = call("get_drop", { params: { id }, anonymous: true }).catch((error: unknown) => {
    if (isProblem(error, "not_found")) return call("get_drop", { params: { id } });
    throw error;
  });
  first = { id, answer };
  // The caller of `takeFirst` handles a failure.
  first.answer.catch(() => undefined);
}

/** Returns the response once, since later requests must get a newer one. */
export function takeFirst(id: string): Promise<Drop> | undefined {
  const answer = first?.id === id ? first.answer : undefined;
  first = undefined;
  return answer;
}
