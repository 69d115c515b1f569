import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Loaded<T> {
  value: T | undefined;
  error: unknown;
  retry: () => void;
}

/**
 * Returns the result of `load`, which is called again when `key` changes or on `retry`. The previous value stays
 * meanwhile.
 */
export function useLoad<T>(key: string, load: () => Promise<T>): Loaded<T> {
  const [value, setValue] = useState<T>();
  const [error, setError] = useState<unknown>();
  const [attempt, setAttempt] = useState(0);
  const asked = useRef(key);
  useEffect(() => {
    let stale = false;
    if (asked.current !== key) setError(undefined);
    asked.current = key;
    // The previous error stays until the next result, so that the page does not flicker.
    load().then(
      (answer) => stale || (setValue(answer), setError(undefined)),
      (thrown: unknown) => stale || setError(thrown),
    );
    return () => {
      stale = true;
    };
  }, [key, attempt]);
  const retry = useCallback(() => setAttempt((before) => before + 1), []);
  return { value, error, retry };
}
