/** Small things kept in the browser. A browser that refuses storage gets a shop that forgets, not one that fails. */

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
    // Full or forbidden: `memory` has it for this page.
  }
}

export function forget(name: string): void {
  memory.delete(name);
  try {
    localStorage.removeItem(PREFIX + name);
  } catch {
    // Nothing was kept there.
  }
}

/** Calls back when another tab has changed what is kept under `name`. */
export function onChangedElsewhere(name: string, callback: () => void): () => void {
  const heard = (event: StorageEvent) => {
    if (event.key === PREFIX + name) {
      memory.delete(name);
      callback();
    }
  };
  addEventListener("storage", heard);
  return () => removeEventListener("storage", heard);
}
