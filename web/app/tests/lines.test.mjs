// What was bought, to the size and the colour, wherever a line is shown: in the cart, at the checkout, on the order, in the
// mail, in the console and in the export.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, setting, TEST } from "./harness/setting.mjs";
import { button, confirmed, enterConsole, fillAddress, link, pay, see, toCheckout } from "./harness/steps.mjs";

const stage = setting();

/** A hoodie in two sizes and a colour, with stock. */
async function hoodie(/** @type {string} */ handle) {
  const { ask } = stage.shop;
  const price = { amount: 5200, currency: "USD" };
  const product = await ask("POST", "/v1/products", {
    title: "Pier Hoodie",
    handle,
    options: ["Size", "Colour"],
    variants: ["S", "M"].map((size) => ({ sku: `${handle}-${size}`, options: [size, "Black"], price })),
  });
  for (const { sku } of product.variants) await ask("POST", `/v1/inventory/${sku}/adjustments`, { delta: 9, reason: "for a test" });
  return product;
}

/** The order with this number, once it is paid. */
async function paidOrder(/** @type {string} */ number) {
  return eventually(async () => {
    const { items } = await stage.shop.ask("GET", `/v1/orders?query=${number}`);
    return items[0]?.payment_state === "paid" && items[0];
  }, "the order is paid");
}

const SIZE = [{ name: "Size", value: "M" }, { name: "Colour", value: "Black" }];

/** Everyone who handles the order reads what is to be packed. */
async function isToldEverywhere(/** @type {import("node:test").TestContext} */ context, /** @type {string} */ number, /** @type {string} */ email) {
  const order = await paidOrder(number);
  assert.deepEqual([order.lines[0].title, order.lines[0].options], ["Pier Hoodie", SIZE]);

  const mail = await eventually(() => mailTo(email), "the receipt is in the outbox");
  assert.match(mail, /1 × Pier Hoodie\r?\n\s+Size: M\r?\n\s+Colour: Black/);

  const arguments_ = ["export", "orders", "--data-dir", stage.shop.folder, "--tenant", "demo"];
  const exported = spawnSync(stage.shop.binary, arguments_, { encoding: "utf8" });
  assert.equal(exported.status, 0, exported.stderr);
  const row = exported.stdout.split("\n").find((line) => line.includes(number)) ?? "";
  assert.ok(row.includes("Pier Hoodie") && row.includes("Size: M; Colour: Black"), exported.stdout);

  const { page } = await stage.buyer(context);
  await enterConsole(page, `/console/orders/${order.id}`, stage.shop.vendor);
  await see(page, "Pier Hoodie");
  await page.locator(".line-options", { hasText: "Size: M" }).filter({ hasText: "Colour: Black" }).first().waitFor();
}

test("a size that was put into a cart is on the order, in the mail and in the export", TEST, async (context) => {
  const product = await hoodie("pier-hoodie-cart");
  const { page } = await stage.buyer(context);
  await page.goto(`/products/${product.id}`);
  await page.getByRole("radio", { name: "M", exact: true }).check({ force: true });
  await button(page, "Add to cart").click();
  await see(page, "M · Black");
  // Screen readers distinguish two sizes of one product.
  await page.getByRole("group", { name: /Pier Hoodie · M · Black/ }).waitFor();
  await button(page, "Check out").click();
  await see(page, "M · Black");
  await fillAddress(page, "cora@example.com");
  await pay(page);
  const number = await confirmed(page);
  await see(page, "M · Black");
  await link(page, "Track your order").click();
  await page.getByRole("heading", { name: `Order ${number}` }).waitFor();
  await see(page, "M · Black");
  await isToldEverywhere(context, number, "cora@example.com");
});

test("a size that was claimed of a drop is on the order, by its product's name", TEST, async (context) => {
  const product = await hoodie("pier-hoodie-drop");
  const drop = await stage.shop.ask("POST", "/v1/drops", {
    title: "Friday night",
    product_id: product.id,
    items: ["S", "M"].map((size) => ({ sku: `pier-hoodie-drop-${size}`, quantity: 3, price: { amount: 4100, currency: "USD" } })),
    per_buyer_max: 2,
    hold_seconds: 300,
    ends_at: new Date(Date.now() + 3_600_000).toISOString(),
  });
  const { page } = await stage.buyer(context);
  await page.goto(`/drops/${drop.id}`);
  await button(page, /^Claim M · Black for/).click();
  await page.getByRole("heading", { name: "Held for you" }).waitFor();
  await toCheckout(page);
  await see(page, "Pier Hoodie");
  await see(page, "M · Black");
  await fillAddress(page, "dan@example.com");
  await pay(page);
  const number = await confirmed(page);
  await see(page, "Pier Hoodie");
  await see(page, "M · Black");
  await isToldEverywhere(context, number, "dan@example.com");
});

/** The text of the mail to a recipient, without the line breaks of its encoding. */
async function mailTo(/** @type {string} */ email) {
  const outbox = join(stage.shop.folder, "outbox");
  for (const name of await readdir(outbox).catch(() => /** @type {string[]} */ ([]))) {
    const mail = decoded(await readFile(join(outbox, name), "utf8"));
    if (name.endsWith(".eml") && mail.includes(`To: ${email}`)) return mail;
  }
  return undefined;
}

function decoded(/** @type {string} */ mail) {
  const bytes = mail.replace(/=\r?\n/g, "").replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}
