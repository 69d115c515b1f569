/** A drop over the live connection: as it happens, and with how many are there. It needs no session. */
import { createClient, live } from "@fusioncommerce/client";
import type { Drop } from "./types";

const connection = live(createClient({ guests: false }), { client: "shop/0.1" });

export interface DropListeners {
  onState: (drop: Drop) => void;
  /** Whether the socket is open, at once and at every change. */
  onLive: (open: boolean) => void;
}

export function followDrop(id: string, { onState, onLive }: DropListeners): () => void {
  const topic = connection.topic(`drop:${id}`);
  const ends = [
    topic.on({ state: (state) => onState(state as Drop) }),
    connection.onStatus(({ state }) => onLive(state === "live")),
  ];
  return () => {
    for (const end of ends) end();
  };
}
