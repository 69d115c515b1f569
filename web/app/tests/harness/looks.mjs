// What pages look like: screenshots to look at, and what sticks out of the screen.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** @typedef {import("./browser.mjs").Page} Page */

/** The narrowest phone. */
export const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

/** Not kept with the sources: they are for looking at. */
const SHOTS = fileURLToPath(new URL("../../screenshots/", import.meta.url));
mkdirSync(SHOTS, { recursive: true });

/** Takes a picture of the whole page. */
export const shoot = (/** @type {Page} */ page, /** @type {string} */ name) =>
  page.screenshot({ path: `${SHOTS}${name}.png`, fullPage: true, animations: "disabled" });

/** How wide the page has to be and how wide the screen is, where that is not enough. */
export async function tooWide(/** @type {Page} */ page) {
  const [needed = 0, given = 0] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  return needed > given ? [needed, given] : [];
}
