/** What changes by itself: drops, checkouts and orders, as they are now on the server. */
import type { LiveState, StateOf, TopicName } from "@fusioncommerce/client";
import { signal } from "@preact/signals";
import { asShopError, type ShopError } from "./api";
import { connection } from "./client";
import { tick } from "./clock";

export type Line = "live" | "reconnecting" | "offline";

/** How the shop hears from the server. `reconnecting` only after the line was lost. */
export const line = signal<Line>(navigator.onLine ? "live" : "offline");

let wasThere = false;
connection.onStatus(({ state }) => {
  line.value = lineOf(state);
  wasThere ||= state === "live" || state === "fallback";
});

function lineOf(state: LiveState): Line {
  if (state === "offline") return navigator.onLine ? "reconnecting" : "offline";
  return state === "connecting" && wasThere ? "reconnecting" : "live";
}

for (const name of ["online", "offline"]) {
  addEventListener(name, () => {
    line.value = navigator.onLine ? lineOf(connection.status.state) : "offline";
  });
}

/** How often is looked at what no topic tells us. */
const LOOK_MS = 3000;

export interface Follow<N extends TopicName> {
  topic: N;
  /** Asks for the state once: the first is there before the socket is, and says why when there is none. */
  read: () => Promise<StateOf<N>>;
  onState: (state: StateOf<N>) => void;
  /** A refusal, after which nothing more comes unless the session changes. */
  onRefused?: (error: ShopError) => void;
}

/** Calls back with the state now and whenever it changes; the returned function ends it. */
export function follow<N extends TopicName>({ topic, read, onState, onRefused }: Follow<N>): () => void {
  let ended = false;
  let timer = 0;

  const take = (state: StateOf<N>) => {
    tick();
    onState(state);
  };

  const look = async (again: boolean) => {
    clearTimeout(timer);
    try {
      const state = await read();
      if (!ended) take(state);
    } catch (thrown) {
      const error = asShopError(thrown);
      if (ended) return;
      // While the line is bad the topic goes on trying, and the page says that it does.
      if (!error.mayAskAgain || !again) onRefused?.(error);
      if (!error.mayAskAgain) return;
    }
    if (again && !ended) timer = window.setTimeout(() => void look(true), LOOK_MS);
  };

  const stop = connection.topic(topic).on({
    state: (state) => {
      clearTimeout(timer);
      take(state);
    },
    // Who has no session of the owner's may still have the word that opens it: REST knows.
    refused: () => void look(true),
    stopped: () => void look(true),
  });
  void look(false);
  return () => {
    ended = true;
    clearTimeout(timer);
    stop();
  };
}
