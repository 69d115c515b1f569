// Notifies listeners.

/**
 * Calls `tell` for each of `listeners`. An exception of one listener affects neither the others nor the caller: it is
 * reported as an uncaught error. Listeners added meanwhile are not called.
 */
export function announce<L>(listeners: Iterable<L>, tell: (listener: L) => void): void {
  for (const listener of [...listeners]) {
    try {
      tell(listener);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
