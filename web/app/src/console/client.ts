/**
 * The vendor's door to the shop: everything the API offers, with a session of its own.
 *
 * It is kept apart from the buyer's: who signs in here does not hand a cart over, and whoever tries the shop as a
 * customer in the next tab stays one.
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

/** A store that also takes a session from elsewhere, and tells the client of it. */
function openStore(): SessionStore & { adopt(session: Session): void } {
  const kept = localStore(STORE_NAME);
  let tell = () => {};
  return {
    ...kept,
    watch(changed) {
      tell = changed;
      return kept.watch?.(changed) ?? (() => undefined);
    },
    adopt(session) {
      kept.save(session);
      tell();
    },
  };
}

const store = openStore();
export const client = createClient({ store, guests: false });

export const staff = signal<Session | undefined>(client.session.current);
/** True when a session ended that nobody ended on purpose. */
export const sessionEnded = signal(false);
/** The address that is signed in; nothing while it is not known, or for a token without an account. */
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
  // A customer who signs in as somebody else hands nothing over.
  leaving = true;
  client.session.forget();
  leaving = false;
  await client.session.signIn({ email, password });
  staffEmail.value = email;
}

/** Works as whom an access token names. It is asked for first; a token that is not good changes nothing. */
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

/** A session that the server does not know any more is over here, too. */
export function noteRefusal(thrown: unknown): void {
  const over = isProblem(thrown, "authentication_required", "invalid_token", "invalid_refresh_token");
  if (over && staff.value) client.session.forget();
}

let connection: Live | undefined;

/** The live connection of the console, made when it is first needed. */
export function liveLine(): Live {
  connection ??= live(client, { client: "console/0.1" });
  return connection;
}
