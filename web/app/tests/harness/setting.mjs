// What the tests of one file share: a shop and a browser; and each test its own buyers, gone when it ends.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { newBuyer, startBrowser } from "./browser.mjs";
import { eventually } from "./eventually.mjs";
import { startShop } from "./shop.mjs";

export { eventually };

/** Without an answer for so long a test has failed. */
export const TEST = { timeout: 45_000 };

/**
 * A shop and a browser for the tests of a file. They are there from the first test on.
 * @param {() => Promise<Parameters<typeof startShop>[0]>} [prepare] What comes before the shop, and what the shop gets.
 */
export function setting(prepare = async () => ({})) {
  const stage = {
    /** @type {import("./shop.mjs").Shop} */
    shop: /** @type {any} */ (undefined),
    /** @type {import("./browser.mjs").Browser} */
    browser: /** @type {any} */ (undefined),
    /**
     * A buyer for the time of a test. At its end no page of theirs may have thrown.
     * @param {import("node:test").TestContext} test
     * @param {import("playwright-core").BrowserContextOptions} [options]
     */
    async buyer(test, options = {}) {
      const buyer = await newBuyer(stage.browser, stage.shop.pages, options);
      test.after(async () => {
        await buyer.context.close();
        assert.deepEqual(buyer.faults, []);
      });
      return buyer;
    },
    /**
     * A drop with all that had happened to it when this is asked. What the API gives may be 50 ms old, and says so.
     * @param {{ id: string }} drop
     */
    async standing({ id }) {
      const asked_at = Date.now();
      return eventually(async () => {
        const seen = await stage.shop.ask("GET", `/v1/drops/${id}`);
        return Date.parse(seen.as_of) > asked_at && seen;
      }, "the drop as it is now");
    },
  };
  before(async () => {
    [stage.shop, stage.browser] = await Promise.all([prepare().then(startShop), startBrowser()]);
  });
  after(async () => {
    await Promise.allSettled([stage.browser?.close(), stage.shop?.stop()]);
  });
  return stage;
}
