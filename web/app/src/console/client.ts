/**
 * The vendor's client: the whole API, with a separate session.
 *
 * The session is separate from the buyer's: a sign-in here does not transfer a cart, and a vendor who tries the shop
 * as a customer in another tab stays a customer there.
 */
import {
  createClient,
  isProblem,
  live,
  localStore,
  type Live,
  type Session,
  type SessionStore,
} from "@fusioncommerce/client";
import { signal } from "@preact/signals";

const STORE_NAME = "fusion.console";
const STAFF_ROLES = ["vendor", "admin"];

/** A store that can also adopt a session from elsewhere, and notifies the client of it. */
function openStore(): SessionStore & { adopt(session: Session): void } {
  const stored = localStore(STORE_NAME);
  let tell = () => {};
  return {
    ...stored,
    watch(changed) {
      tell = changed;
      return stored.watch?.(changed) ?? (() => undefined);
    },
    adopt(session) {
      stored.save(session);
      tell();
    },
  };
}

const store = openStore();
export const client = createClient({ store, guests: false });

export const staff = signal<Session | undefined>(client.session.current);
/** Whether a session ended without a sign-out. */
export const sessionEnded = signal(false);
/** The e-mail address of the account; `undefined` while it is not known, and for a token without an account. */
export const staffEmail = signal<string | undefined>(undefined);

let leaving = false;

client.session.on((session, change) => {
  if (change === "ended" && !leaving) sessionEnded.value = true;
  if (session) sessionEnded.value = false;
  if (session?.subject !== staff.value?.subject) staffEmail.value = undefined;
  staff.value = session;
});

export function isStaff(session: Session): boolean {
  return STAFF_ROLES.includes(session.role ?? "customer");
}

export async function signInStaff(email: string, password: string): Promise<void> {
  // Nothing is transferred when a customer signs in as another person.
  leaving = true;
  client.session.forget();
  leaving = false;
  await client.session.signIn({ email, password });
  staffEmail.value = email;
}

/** Uses an access token as the session. The token is tested first; an invalid token changes nothing. */
export async function useToken(token: string): Promise<void> {
  const probe = createClient({ token, guests: false });
  const session = probe.session.current;
  if (!session) return;
  const me = await probe.call("get_me");
  store.adopt({ ...session, ...(me.role ? { role: me.role } : {}) });
  staffEmail.value = me.email;
}

export async function signOutStaff(): Promise<void> {
  leaving = true;
  await client.session.signOut();
  leaving = false;
  sessionEnded.value = false;
}

export async function learnWho(): Promise<void> {
  staffEmail.value = (await client.call("get_me")).email;
}

/** Ends the session if the server no longer knows it. */
export function noteRefusal(thrown: unknown): void {
  const over = isProblem(thrown, "authentication_required", "invalid_token", "invalid_refresh_token");
  if (over && staff.value) client.session.forget();
}

let connection: Live | undefined;

/** Returns the console's real-time connection, created on first use. */
export function liveLine(): Live {
  connection ??= live(client, { client: "console/0.1" });
  return connection;
}
