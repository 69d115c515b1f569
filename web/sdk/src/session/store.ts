// The storage of a session between visits, and the coordination of tabs that share it.

import type { components } from '../schema.js';

/** A session of a person with the shop. Without a refresh token it cannot be renewed. */
export type Session = Omit<components['schemas']['SessionWire'], 'refresh_token'> & { refresh_token?: string };

/** Stores one session. */
export interface SessionStore {
  load(): Session | undefined;
  save(session: Session | undefined): void;
  /**
   * Runs `work` while no other user of the store runs theirs: a refresh token can be used once, and a second use ends
   * the session.
   */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  /** Calls `changed` when another tab has saved a session. The returned function stops that. */
  watch?(changed: () => void): () => void;
}

/** A store that lasts as long as the process or the page. */
export function memoryStore(session?: Session): SessionStore {
  let stored = session;
  return {
    load: () => stored,
    save: (session) => void (stored = session),
    exclusively: (work) => work(),
  };
}

/** A store in `localStorage`, shared by all tabs of the shop. In memory, if `localStorage` is unavailable. */
export function localStore(name = 'fusion.session'): SessionStore {
  const storage = usableStorage();
  if (!storage) return memoryStore();
  return {
    load: () => read(storage, name),
    save(session) {
      if (session) storage.setItem(name, JSON.stringify(session));
      else storage.removeItem(name);
    },
    exclusively(work) {
      const locks = globalThis.navigator?.locks;
      return locks ? (locks.request(name, work) as ReturnType<typeof work>) : underLease(storage, `${name}.lease`, work);
    },
    watch(changed) {
      const onStorage = (event: StorageEvent) => {
        if (event.storageArea === storage && (event.key === name || event.key === null)) changed();
      };
      globalThis.addEventListener?.('storage', onStorage);
      return () => globalThis.removeEventListener?.('storage', onStorage);
    },
  };
}

function usableStorage(): Storage | undefined {
  try {
    const storage = globalThis.localStorage;
    // A browser can forbid access to storage, or provide storage without capacity.
    storage.setItem('fusion.probe', '1');
    storage.removeItem('fusion.probe');
    return storage;
  } catch {
    return undefined;
  }
}

function read(storage: Storage, name: string): Session | undefined {
  try {
    const session = JSON.parse(storage.getItem(name) ?? 'null');
    return typeof session?.token === 'string' && typeof session.subject === 'string' ? session : undefined;
  } catch {
    return undefined;
  }
}

/** The duration of a lease whose tab has died: longer than a renewal takes. */
const LEASE_MS = 10_000;
/** The time after writing a lease at which a tab checks whether another tab has overwritten it. */
const SETTLE_MS = 30;

/**
 * The replacement for Web Locks, which exist in secure contexts only: an entry in the storage names the tab at work.
 */
async function underLease<T>(storage: Storage, name: string, work: () => Promise<T>): Promise<T> {
  const mine = Math.random().toString(36).slice(2);
  for (;;) {
    const [owner, until] = (storage.getItem(name) ?? '').split(' ');
    if (owner && Number(until) > Date.now()) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS * (1 + Math.random())));
      continue;
    }
    storage.setItem(name, `${mine} ${Date.now() + LEASE_MS}`);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    if (storage.getItem(name)?.startsWith(`${mine} `)) break;
  }
  try {
    return await work();
  } finally {
    if (storage.getItem(name)?.startsWith(`${mine} `)) storage.removeItem(name);
  }
}
