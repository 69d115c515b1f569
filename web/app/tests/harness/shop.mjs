// The real binary on a folder of its own, for as long as a test needs it, and what a vendor does through its API.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "./eventually.mjs";

const BINARY = resolve(process.env["FUSION_BIN"] ?? fileURLToPath(new URL("../../../../target/debug/fusion", import.meta.url)));
/** Pages from elsewhere while they are developed (`npm run preview`), with what they proxy to. */
const PAGES = process.env["FUSION_PAGES"];
const BEHIND_PAGES = new URL(process.env["FUSION_URL"] ?? "http://127.0.0.1:8080").host;
const START_MS_MAX = 60_000;

/** @typedef {Awaited<ReturnType<typeof startShop>>} Shop */

/**
 * Starts a demo shop, with more flags and settings if they are given. `stop` ends it, by its process id, and removes what
 * it had.
 * @param {{ flags?: string[], env?: Record<string, string> }} [more]
 */
export async function startShop(more = {}) {
  if (!existsSync(BINARY)) throw new Error(`no binary at ${BINARY}: build it, or name one by FUSION_BIN`);
  const folder = await mkdtemp(join(tmpdir(), "fusion-pages-"));
  let server = serve(folder, PAGES ? BEHIND_PAGES : "127.0.0.1:0", more);
  const output = await untilReady(server);
  const url = /^http:\/\/\S+$/m.exec(output)?.[0] ?? "";
  const vendor = /^\s*vendor\s+(\S+)/m.exec(output)?.[1] ?? "";

  const kill = async (/** @type {NodeJS.Signals} */ signal = "SIGKILL") => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exited = new Promise((done) => server.once("exit", done));
    server.kill(signal);
    await exited;
  };

  /**
   * Asks as the vendor, with another token, or as nobody: "".
   * @returns {Promise<any>}
   */
  const ask = async (/** @type {string} */ method, /** @type {string} */ path, /** @type {unknown} */ body = undefined, token = vendor) => {
    const answer = await fetch(url + path, {
      method,
      headers: {
        ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
        "idempotency-key": randomUUID(),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} answers ${answer.status}: ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };

  return {
    url,
    /** Where the pages are. */
    pages: PAGES ?? url,
    folder,
    binary: BINARY,
    vendor,
    ask,
    kill,
    /** Starts it again where it was, on what it had. */
    async start() {
      server = serve(folder, new URL(url).host, more);
      await untilReady(server);
    },
    async stop() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
    /**
     * A drop of a product of its own, open unless `opens_in_ms` says when it will be.
     * @param {{ title?: string, sizes?: Record<string, number>, price?: number, opens_in_ms?: number, [also: string]: unknown }} [wanted]
     */
    async drop({ title = "Night Market Tee", sizes = { M: 20 }, price = 4200, opens_in_ms = 0, ...also } = {}) {
      const token = randomUUID().slice(0, 8);
      const product = await ask("POST", "/v1/products", {
        title,
        handle: `tee-${token}`,
        vendor: "Harbour & Co",
        type: "Shirts",
        description_html: "<p>Printed by hand, once.</p>",
        options: ["Size"],
        variants: Object.keys(sizes).map((size) => ({
          sku: `TEE-${token}-${size}`,
          options: [size],
          price: { amount: price + 1000, currency: "USD" },
        })),
      });
      const items = Object.entries(sizes).map(([size, quantity]) => ({
        sku: `TEE-${token}-${size}`,
        quantity,
        price: { amount: price, currency: "USD" },
      }));
      for (const { sku, quantity } of items) {
        await ask("POST", `/v1/inventory/${sku}/adjustments`, { delta: quantity, reason: "for a test" });
      }
      const drop = await ask("POST", "/v1/drops", {
        title,
        product_id: product.id,
        items,
        per_buyer_max: 2,
        hold_seconds: 300,
        ...(opens_in_ms > 0 ? { starts_at: new Date(Date.now() + opens_in_ms).toISOString() } : {}),
        ends_at: new Date(Date.now() + 3_600_000).toISOString(),
        ...also,
      });
      // Lists have it a moment later.
      const isListed = async () => (await ask("GET", "/v1/drops?limit=10")).items.some((/** @type {any} */ { id }) => id === drop.id);
      await eventually(isListed, "the drop is in the list");
      return drop;
    },
  };
}

/**
 * @param {string} folder
 * @param {string} listen
 * @param {{ flags?: string[], env?: Record<string, string> }} more
 * @returns {import("node:child_process").ChildProcess}
 */
function serve(folder, listen, { flags = [], env = {} }) {
  const args = ["serve", "--dev", "--listen", listen, "--data-dir", folder, ...flags];
  return spawn(BINARY, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
}

/** @returns {Promise<string>} */
function untilReady(/** @type {import("node:child_process").ChildProcess} */ server) {
  return new Promise((resolve, reject) => {
    let output = "";
    const timer = setTimeout(() => reject(new Error(`the shop did not start: ${output}`)), START_MS_MAX);
    const collect = async (/** @type {Buffer} */ piece) => {
      output += piece.toString();
      // The URL is printed last, when the server accepts connections.
      const url = /^http:\/\/\S+$/m.exec(output)?.[0];
      if (!url) return;
      clearTimeout(timer);
      const ready = await fetch(`${url}/readyz`).catch((/** @type {unknown} */ error) => error);
      if (ready instanceof Response && ready.ok) resolve(output);
      else reject(new Error(`the shop at ${url} is not ready: ${ready}`));
    };
    server.stdout?.on("data", collect);
    server.stderr?.on("data", collect);
    server.once("error", reject);
    server.once("exit", (code) => reject(new Error(`the shop ended with ${code}: ${output}`)));
  });
}
