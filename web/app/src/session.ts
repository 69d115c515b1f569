/** The buyer's session: a guest, created when needed; a customer after sign-in; renewed before the token expires. */
import type { Credentials, Session } from "@fusioncommerce/client";
import { signal } from "@preact/signals";
import { client, sessionLost } from "./client";
import { forget, keep, recall } from "./storage";

export { sessionLost };

/** The session, with the e-mail address of the sign-in. */
export type KnownSession = Session & { email?: string };

/** The key that records a deliberate sign-out in any tab: a session that ends without it was lost. */
const LEFT = "session.left";

export const session = signal<KnownSession | undefined>(known(client.session.current));

client.session.on((next, change) => {
  if (next) forget(LEFT);
  sessionLost.value = next === undefined && change === "ended" && recall(LEFT) === undefined;
  session.value = known(next);
});

function known(next: Session | undefined): KnownSession | undefined {
  const email = next?.role === undefined ? undefined : recall<string>("email");
  return next && email !== undefined ? { ...next, email } : next;
}

/** Signs in with a password. Everything of the guest then belongs to the account. */
export async function signIn(credentials: Credentials): Promise<void> {
  keep("email", credentials.email);
  await client.session.signIn(credentials);
}

export async function signUp(credentials: Credentials): Promise<void> {
  keep("email", credentials.email);
  await client.session.signUp(credentials);
}

export async function signOut(): Promise<void> {
  keep(LEFT, true);
  forget("email");
  await client.session.signOut();
}

/** Continues after a lost session: the next request that needs one starts a new guest session. */
export function goOnAsGuest(): void {
  keep(LEFT, true);
  forget("email");
  client.session.forget();
  sessionLost.value = false;
}
