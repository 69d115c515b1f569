// Telling those who listen.

/**
 * Tells each of `listeners`. One listener's fault is not the others', nor ours: it surfaces where uncaught errors do. Who
 * begins to listen meanwhile is not told.
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
