// Chromium, and buyers in it: each with a storage of their own.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const WAIT_MS_MAX = 12_000;

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").Browser} Browser */

/** @returns {Promise<Browser>} */
export async function startBrowser() {
  const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
  if (!existsSync(executablePath)) {
    throw new Error(`no Chromium at ${executablePath}: install the Debian package "chromium", or name one by CHROMIUM`);
  }
  return chromium.launch({ executablePath, args: FLAGS });
}

/**
 * A person with a separate browser profile. `faults` are errors that no page may cause: exceptions, and requests refused by
 * the Content-Security-Policy.
 * @param {Browser} browser
 * @param {string} pages
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function newBuyer(browser, pages, options = {}) {
  const context = await browser.newContext({ baseURL: pages, locale: "en-US", viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(WAIT_MS_MAX);
  /** @type {string[]} */
  const faults = [];
  const openTab = async () => {
    const page = await context.newPage();
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" && message.text().includes("Content Security Policy")) faults.push(message.text());
    });
    return page;
  };
  return { context, faults, openTab, page: await openTab() };
}

/** @typedef {Awaited<ReturnType<typeof newBuyer>>} Buyer */
