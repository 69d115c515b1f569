// Where a session is kept between visits, and how tabs that share it keep out of each other's way.

import type { components } from '../schema.js';

/** Who someone is to the shop. Without a refresh token it cannot be renewed. */
export type Session = Omit<components['schemas']['SessionWire'], 'refresh_token'> & { refresh_token?: string };

/** Keeps one session. */
export interface SessionStore {
  load(): Session | undefined;
  save(session: Session | undefined): void;
  /**
   * Does `work` while nobody else who shares the store does theirs: a refresh token is good once, and using one a second
   * time ends the session.
   */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  /** Says when someone else has saved. Returns what ends that. */
  watch?(changed: () => void): () => void;
}

/** Forgets with the process, or with the page. */
export function memoryStore(session?: Session): SessionStore {
  let kept = session;
  return {
    load: () => kept,
    save: (session) => void (kept = session),
    exclusively: (work) => work(),
  };
}

/** Keeps the session in `localStorage`, where all tabs of the shop share it. In memory, where there is none. */
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
      const heard = (event: StorageEvent) => {
        if (event.storageArea === storage && (event.key === name || event.key === null)) changed();
      };
      globalThis.addEventListener?.('storage', heard);
      return () => globalThis.removeEventListener?.('storage', heard);
    },
  };
}

function usableStorage(): Storage | undefined {
  try {
    const storage = globalThis.localStorage;
    // A browser can forbid it, or offer one that holds nothing.
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

/** How long a lease lasts, if its tab dies with it: longer than a renewal takes. */
const LEASE_MS = 10_000;
/** How long after writing a lease one looks whether another tab has overwritten it. */
const SETTLE_MS = 30;

/** Web Locks are for secure contexts only. In others a note in the storage says who is at work. */
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
