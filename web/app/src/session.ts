/** Who the buyer is: a guest made on the first need, a customer after sign-in, renewed before the token ends. */
import type { Credentials, Session } from "@fusioncommerce/client";
import { signal } from "@preact/signals";
import { client, sessionLost } from "./client";
import { forget, keep, recall } from "./storage";

export { sessionLost };

/** What is known: the session, and the address signed in with. */
export type KnownSession = Session & { email?: string };

/** That the session was ended on purpose, by whichever tab: what ends without it was lost. */
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

/** With a password once asked for; what the guest has becomes the account's. */
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

/** After a session was lost: the next thing that needs one starts a new guest's. */
export function goOnAsGuest(): void {
  keep(LEFT, true);
  forget("email");
  client.session.forget();
  sessionLost.value = false;
}
