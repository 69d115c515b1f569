/** Small values in the browser's storage. If the browser refuses storage, the shop forgets them but works. */

const PREFIX = "fusion.";
const memory = new Map<string, string>();

export function recall<T>(name: string): T | undefined {
  try {
    const text = localStorage.getItem(PREFIX + name) ?? memory.get(name);
    return text === null || text === undefined ? undefined : (JSON.parse(text) as T);
  } catch {
    const text = memory.get(name);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }
}

export function keep(name: string, value: unknown): void {
  const text = JSON.stringify(value);
  memory.set(name, text);
  try {
    localStorage.setItem(PREFIX + name, text);
  } catch {
    // Full or forbidden: `memory` keeps the value for this page.
  }
}

export function forget(name: string): void {
  memory.delete(name);
  try {
    localStorage.removeItem(PREFIX + name);
  } catch {
    // Storage is forbidden, so nothing was stored there.
  }
}

/** Calls back when another tab has changed the value of `name`. */
export function onChangedElsewhere(name: string, callback: () => void): () => void {
  const onStorage = (event: StorageEvent) => {
    if (event.key === PREFIX + name) {
      memory.delete(name);
      callback();
    }
  };
  addEventListener("storage", onStorage);
  return () => removeEventListener("storage", onStorage);
}
