/** Who the buyer is: a guest made on the first need, a customer after sign-in, renewed before the token ends. */
import { signal } from "@preact/signals";
import { serverNow } from "./clock";
import { forget, keep, onChangedElsewhere, recall } from "./storage";
import type { Session } from "./types";

const RENEW_BEFORE_MS = 60_000;

/** What is kept: the session, and the address signed in with. */
export type KeptSession = Session & { email?: string };

export const session = signal<KeptSession | undefined>(recall<KeptSession>("session"));
/** True when a session ended that cannot be renewed: the buyer decides how to go on. */
export const sessionLost = signal(false);

onChangedElsewhere("session", () => {
  session.value = recall<KeptSession>("session");
  if (session.value) sessionLost.value = false;
});

export function holdSession(next: KeptSession): void {
  keep("session", next);
  session.value = next;
  sessionLost.value = false;
}

export function dropSession(lost: boolean): void {
  forget("session");
  session.value = undefined;
  sessionLost.value = lost;
}

export function endsSoon(kept: Session): boolean {
  return Date.parse(kept.expires_at) - serverNow() < RENEW_BEFORE_MS;
}

/** One tab at a time: two that renewed at once would look like a stolen refresh token. */
export function alone<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks ? navigator.locks.request("fusion.session", work) as Promise<T> : work();
}
