/** A paginated list. */
import { useEffect, useRef, useState } from "preact/hooks";

export interface PageOf<T> {
  items: T[];
  next_cursor?: string | null | undefined;
}

export interface Pages<T> {
  /** `undefined` while the first page is loading. */
  items: T[] | undefined;
  error: unknown;
  isMore: boolean;
  isLoading: boolean;
  more: () => void;
  /** Loads again from the first page; the present items stay meanwhile. */
  retry: () => void;
  /** Edits the items, for example with newer versions. */
  change: (edit: (items: T[]) => T[]) => void;
}

/** Loads pages with `load`, and starts over whenever `key` changes. */
export function usePages<T>(key: string, load: (cursor: string | undefined) => Promise<PageOf<T>>): Pages<T> {
  const [items, setItems] = useState<T[]>();
  const [error, setError] = useState<unknown>();
  const [cursor, setCursor] = useState<string>();
  const [isLoading, setLoading] = useState(true);
  const [attempt, setAttempt] = useState(0);
  /** The number of the wanted list: a response for an earlier one is ignored. */
  const wanted = useRef(0);

  const fetchPage = async (from: string | undefined) => {
    const list = wanted.current;
    setLoading(true);
    setError(undefined);
    try {
      const page = await load(from);
      if (list !== wanted.current) return;
      setItems((before) => (from === undefined ? page.items : [...(before ?? []), ...page.items]));
      setCursor(page.next_cursor ?? undefined);
    } catch (thrown) {
      if (list !== wanted.current) return;
      setError(thrown);
      // The present items belong to another query.
      if (from === undefined) setItems(undefined);
    } finally {
      if (list === wanted.current) setLoading(false);
    }
  };

  useEffect(() => {
    wanted.current += 1;
    void fetchPage(undefined);
  }, [key, attempt]);
  useEffect(
    () => () => {
      wanted.current = -1;
    },
    [],
  );

  return {
    items,
    error,
    isMore: cursor !== undefined,
    isLoading,
    more: () => void fetchPage(cursor),
    retry: () => (items && cursor && error === undefined ? void fetchPage(cursor) : setAttempt(attempt + 1)),
    change: (edit) => setItems((before) => before && edit(before)),
  };
}

/** Returns the value of a search field after a pause in typing. */
export function useSettled(value: string, pauseMs = 250): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), pauseMs);
    return () => clearTimeout(timer);
  }, [value, pauseMs]);
  return settled;
}
