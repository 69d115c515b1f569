/** The one client of the shop's server: REST, the session and the live connection, shared by every page. */
import { createClient, live, localStore } from "@fusioncommerce/client";
import { signal } from "@preact/signals";

/** True when a session ended that cannot be renewed: the buyer decides how to go on. */
export const sessionLost = signal(false);

// Nobody becomes another person unasked.
export const client = createClient({ store: localStore("fusion.session"), guests: () => !sessionLost.peek() });

/** Opened by the first page that follows something. What the socket leaves unanswered is soon asked over REST. */
export const connection = live(client, { client: "shop/0.1", reply_ms_max: 5_000 });
