/** The client of the shop's server, shared by all pages: REST, the session and the real-time connection. */
import { createClient, live, localStore } from "@fusioncommerce/client";
import { signal } from "@preact/signals";

/** Whether a session has ended that cannot be renewed: the buyer decides how to continue. */
export const sessionLost = signal(false);

// No new guest session is started after a lost session, because the buyer would silently become another person.
export const client = createClient({ store: localStore("fusion.session"), guests: () => !sessionLost.peek() });

/**
 * Opened by the first page that follows a topic. A command without a reply on the socket is soon repeated over REST.
 */
export const connection = live(client, { client: "shop/0.1", reply_ms_max: 5_000 });
