/** The drop of the address that the document was opened with, asked for while its page is still on its way. */
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
  // As nobody: so the browser has asked already, by the word of the server (`Link: rel=preload`), and no session is renewed
  // before. Who may see more than everyone asks again.
  const answer = call("get_drop", { params: { id }, anonymous: true }).catch((error: unknown) => {
    if (isProblem(error, "not_found")) return call("get_drop", { params: { id } });
    throw error;
  });
  first = { id, answer };
  // Whoever takes it hears of a failure.
  first.answer.catch(() => undefined);
}

/** The answer, once: what is asked for later has to be newer. */
export function takeFirst(id: string): Promise<Drop> | undefined {
  const answer = first?.id === id ? first.answer : undefined;
  first = undefined;
  return answer;
}
