/**
 * Waits until `check` gives something.
 * @template T
 * @param {() => Promise<T | undefined | false> | T | undefined | false} check
 * @param {string} what
 * @returns {Promise<T>}
 */
export async function eventually(check, what) {
  const until = Date.now() + 12_000;
  for (;;) {
    const seen = await check();
    if (seen !== undefined && seen !== false) return /** @type {T} */ (seen);
    if (Date.now() > until) throw new Error(`${what}: not within 12 s`);
    await new Promise((done) => setTimeout(done, 25));
  }
}
