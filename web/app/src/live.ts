/** Follows drops, checkouts and orders as they change on the server. */
import type { LiveState, StateOf, TopicName } from "@fusioncommerce/client";
import { signal } from "@preact/signals";
import { asShopError, type ShopError } from "./api";
import { connection } from "./client";
import { tick } from "./clock";

export type Line = "live" | "reconnecting" | "offline";

/** The state of the shop's connection. `reconnecting` only after a lost connection. */
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

/** The interval of polling for entities without a topic. */
const LOOK_MS = 3000;

export interface Follow<N extends TopicName> {
  topic: N;
  /** Reads the state once: it arrives before the socket is open, and reports the reason if it fails. */
  read: () => Promise<StateOf<N>>;
  onState: (state: StateOf<N>) => void;
  /** Called after a refusal, after which nothing more arrives unless the session changes. */
  onRefused?: (error: ShopError) => void;
}

/** Calls back with the state at once and whenever it changes. The returned function stops it. */
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
      // While the connection is down, the topic keeps retrying, and the page shows that it does.
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
    // A visitor without the owner's session may still have the access token of the URL, which only REST accepts.
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
