/** A list that comes page by page. */
import { useEffect, useRef, useState } from "preact/hooks";

export interface PageOf<T> {
  items: T[];
  next_cursor?: string | null | undefined;
}

export interface Pages<T> {
  /** Nothing while the first page is on its way. */
  items: T[] | undefined;
  error: unknown;
  isMore: boolean;
  isLoading: boolean;
  more: () => void;
  /** From the first page on again; what is shown stays meanwhile. */
  retry: () => void;
  /** Puts what is known to be newer into the list. */
  change: (edit: (items: T[]) => T[]) => void;
}

/** The pages that `load` answers, from the first one on whenever `key` changes. */
export function usePages<T>(key: string, load: (cursor: string | undefined) => Promise<PageOf<T>>): Pages<T> {
  const [items, setItems] = useState<T[]>();
  const [error, setError] = useState<unknown>();
  const [cursor, setCursor] = useState<string>();
  const [isLoading, setLoading] = useState(true);
  const [attempt, setAttempt] = useState(0);
  /** Which list is wanted now: an answer for another one is late. */
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
      // What is there belongs to another question.
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

/** What a search field says, once the typing has paused. */
export function useSettled(value: string, pauseMs = 250): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), pauseMs);
    return () => clearTimeout(timer);
  }, [value, pauseMs]);
  return settled;
}
