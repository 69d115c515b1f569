// How fast the drop page is. Prints JSON.
//
//   npm run figures -w app
//
// interactive_ms   a phone on a slow line (1.6 Mbps, 150 ms, a CPU four times slower), nothing cached: from the start of the
//                  navigation until the claim button is enabled and a tap on it does something
// claim_ms         from the tap until the hold is on the screen, while so many others claim from the same server

import { execFile } from "node:child_process";
import { cpus } from "node:os";
import { promisify } from "node:util";
import { newBuyer, startBrowser } from "./harness/browser.mjs";
import { startShop } from "./harness/shop.mjs";

const LOADS = 5;
const TAPS = Number(process.env["TAPS"] ?? 120);
/** A drop keeps no more claims of one buyer than a hundred, released ones included. */
const TAPS_IN_A_DROP = 60;
const CROWD = Number(process.env["CROWD"] ?? 1_000);
const SLOW_LINE = { offline: false, latency: 150, downloadThroughput: (1.6 * 1_000_000) / 8, uploadThroughput: (0.75 * 1_000_000) / 8 };
const SLOW_CPU = 4;

const run = promisify(execFile);
const [shop, browser] = await Promise.all([startShop(), startBrowser()]);
try {
  const interactive = await interactiveTimes();
  const claims = await claimTimes();
  console.log(JSON.stringify({ cpu: cpus()[0]?.model, cores: cpus().length, chromium: browser.version(), interactive, claims }, undefined, 2));
} finally {
  await browser.close();
  await shop.stop();
}

async function interactiveTimes() {
  const drop = await shop.drop({ sizes: { S: 500, M: 500, L: 500 }, per_buyer_max: 100 });
  /** @type {number[]} */
  const times = [];
  let bytes = 0;
  for (let load = 0; load < LOADS; load += 1) {
    const { page, context } = await newBuyer(browser, shop.pages, { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
    const devtools = await context.newCDPSession(page);
    await devtools.send("Network.enable");
    await devtools.send("Network.setCacheDisabled", { cacheDisabled: true });
    await devtools.send("Network.emulateNetworkConditions", SLOW_LINE);
    await devtools.send("Emulation.setCPUThrottlingRate", { rate: SLOW_CPU });
    bytes = 0;
    devtools.on("Network.loadingFinished", ({ encodedDataLength }) => void (bytes += encodedDataLength));
    await page.addInitScript(tapAsSoonAsPossible);
    await page.goto(`/drops/${drop.id}`, { waitUntil: "commit" });
    times.push(await page.waitForFunction(() => performance.getEntriesByName("reacted")[0]?.startTime, undefined, { timeout: 60_000 }).then((seen) => seen.jsonValue()) ?? NaN);
    await context.close();
  }
  return { line: "1.6 Mbps down, 150 ms", cpu_slower_by: SLOW_CPU, loads_ms: times.map(Math.round), median_ms: Math.round(at(times, 0.5)), bytes_of_last_load: bytes };
}

/** In the page: taps the first claim button once it is enabled, and marks when it has reacted, which is no server's doing. */
function tapAsSoonAsPossible() {
  const enabled = () => document.querySelector(/** @type {"button"} */ (".size-action button:enabled"));
  const look = () => {
    const button = enabled();
    if (!button) return void requestAnimationFrame(look);
    performance.mark("enabled");
    new MutationObserver((_, watcher) => {
      if (button.ariaDisabled !== "true") return;
      watcher.disconnect();
      performance.mark("reacted");
    }).observe(button, { attributes: true });
    button.click();
  };
  requestAnimationFrame(look);
}

async function claimTimes() {
  // The crowd's drop is another one: its buyers load the server, and do not buy the page's units away.
  const wanted = await shop.drop({ title: "Everybody's Tee", sizes: { M: 1_000_000 }, per_buyer_max: 1_000 });
  const { page } = await newBuyer(browser, shop.pages);

  const crowd = { rounds: 0, isOver: false, abort: new AbortController() };
  const others = (async () => {
    while (!crowd.isOver) {
      const args = ["demo", "crowd", "--buyers", String(CROWD), "--drop", wanted.id, "--url", shop.url, "--data-dir", shop.folder];
      await run(shop.binary, args, { signal: crowd.abort.signal }).catch((error) => {
        if (!crowd.isOver) throw error;
      });
      crowd.rounds += 1;
    }
  })();
  /** @type {number[]} */
  const times = [];
  while (times.length < TAPS) {
    const drop = await shop.drop({ sizes: { M: 10_000 }, per_buyer_max: 10_000 });
    await page.goto(`/drops/${drop.id}`);
    await page.getByRole("button", { name: /^Claim M for/ }).waitFor();
    await page.getByText(/here$/).waitFor();
    // The first claim makes the session, and is not counted.
    const [_first, ...more] = await taps(page, 1 + Math.min(TAPS_IN_A_DROP, TAPS - times.length));
    times.push(...more);
  }
  crowd.isOver = true;
  crowd.abort.abort();
  await others;
  const { sold, held } = await shop.ask("GET", `/v1/drops/${wanted.id}`);
  return {
    buyers_beside: CROWD,
    crowds: crowd.rounds,
    claims_beside: sold + held,
    taps: times.length,
    p50_ms: round(at(times, 0.5)),
    p90_ms: round(at(times, 0.9)),
    p99_ms: round(at(times, 0.99)),
    max_ms: round(at(times, 1)),
  };
}

/**
 * Taps so many times, and measures in the page: from the click until one hold more is drawn. Each is given back before the
 * next, so that the page does not grow.
 */
function taps(/** @type {import("./harness/browser.mjs").Page} */ page, /** @type {number} */ count) {
  return page.evaluate(async (wanted) => {
    const holds = () => document.querySelectorAll(".hold").length;
    const until = (/** @type {() => boolean} */ isSo) =>
      new Promise((/** @type {(at: number) => void} */ done, fail) => {
        const look = () => {
          if (!isSo()) return;
          watcher.disconnect();
          clearTimeout(timer);
          done(performance.now());
        };
        const watcher = new MutationObserver(look);
        const timer = setTimeout(() => fail(new Error(`nothing came of it: ${document.querySelector("main")?.innerText}`)), 20_000);
        watcher.observe(document, { subtree: true, childList: true, attributes: true });
        look();
      });
    /** @type {HTMLButtonElement | null} */
    const button = document.querySelector(".size-action button");
    const times = [];
    for (let nth = 0; nth < wanted; nth += 1) {
      const from = performance.now();
      button?.click();
      times.push((await until(() => holds() > 0)) - from);
      /** @type {HTMLButtonElement | null} */ (document.querySelector(".hold button"))?.click();
      await until(() => holds() === 0 && button?.ariaDisabled !== "true");
    }
    return times;
  }, count);
}

function at(/** @type {number[]} */ times, /** @type {number} */ share) {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

function round(/** @type {number} */ ms) {
  return Math.round(ms * 10) / 10;
}
