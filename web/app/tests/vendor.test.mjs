// The vendor's work in the console: orders are found, sent and refunded; a drop is planned, changed and cancelled;
// stock is adjusted.

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, setting, TEST } from "./harness/setting.mjs";
import { button, enterConsole, link, see } from "./harness/steps.mjs";

/** @typedef {import("./harness/browser.mjs").Page} Page */

const stage = setting();

const enter = (/** @type {Page} */ page, /** @type {string} */ path) => enterConsole(page, path, stage.shop.vendor);
const dialog = (/** @type {Page} */ page, /** @type {string | RegExp} */ name) => page.getByRole("dialog", { name });

/** An order of a guest, paid; as the vendor sees it. */
async function order(/** @type {{ id: string }} */ drop, /** @type {string} */ email) {
  const { ask } = stage.shop;
  const { token } = await ask("POST", "/v1/sessions", {}, "");
  const held = await ask("POST", `/v1/drops/${drop.id}/claims`, { quantity: 1 }, token);
  const paid = await ask("POST", "/v1/checkouts", {
    claims: [held.id],
    payment: { provider: "sandbox", token: "tok_approve" },
    email,
    shipping_address: { name: "Grace Hopper", line1: "1 Compiler Way", city: "Arlington", region: "VA", postal_code: "22201", country: "US" },
  }, token);
  const { order_id } = await eventually(async () => {
    const seen = await ask("GET", `/v1/checkouts/${paid.id}`, undefined, token);
    return seen.state === "completed" && seen;
  }, "the checkout is completed");
  return eventually(async () => {
    const seen = await ask("GET", `/v1/orders/${order_id}`);
    return seen.payment_state === "paid" && seen;
  }, "the order is paid");
}

test("an order is found by its number, refunded in part, and sent; another is cancelled", TEST, async (context) => {
  const drop = await stage.shop.drop({ title: "Harbour Tee", sizes: { M: 9 }, price: 4200 });
  const [first, second] = [await order(drop, "grace@example.com"), await order(drop, "barbara@example.com")];
  const { page } = await stage.buyer(context);
  await enter(page, "/console/orders");
  await link(page, first.number).waitFor();
  await link(page, second.number).waitFor();
  await page.getByLabel("Search orders").fill("barbara@");
  await link(page, first.number).waitFor({ state: "detached" });
  await link(page, second.number).waitFor();
  await page.getByLabel("Search orders").fill("nobody@example.org");
  await see(page, "No order has this status");
  await page.getByLabel("Search orders").fill(first.number.toLowerCase());
  await link(page, first.number).click();
  await page.getByRole("heading", { name: `Order ${first.number}` }).waitFor();
  await see(page, "grace@example.com");

  await button(page, "Refund").click();
  const refund = dialog(page, `Refund order ${first.number}`);
  await refund.getByLabel("Amount (USD)").fill("50");
  await refund.getByLabel("Reason").fill("late");
  await refund.getByRole("button", { name: "Refund $50.00" }).click();
  await see(page, "At most $42.00 can be refunded.");
  await refund.getByLabel("Amount (USD)").fill("10");
  await refund.getByRole("button", { name: "Refund $10.00" }).click();
  await see(page, "$10.00 was refunded.");
  await see(page, "Partially refunded");

  await button(page, "Mark as shipped").click();
  const send = dialog(page, `Ship order ${first.number}`);
  await send.getByLabel("Tracking").fill("TRACK-1");
  await send.getByRole("button", { name: "Mark as shipped" }).click();
  await see(page, "The order was marked as shipped.");
  assert.equal(await button(page, "Cancel order").count(), 0, "what is sent is not cancelled");
  const sent = await stage.shop.ask("GET", `/v1/orders/${first.id}`);
  assert.deepEqual([sent.fulfillment_state, sent.tracking, sent.totals.refunded.amount], ["fulfilled", "TRACK-1", 1000]);

  await page.goto(`/console/orders/${second.id}`);
  await button(page, "Cancel order").click();
  const cancel = dialog(page, `Cancel order ${second.number}?`);
  await cancel.getByRole("button", { name: "Cancel order" }).click();
  await see(page, "This field is required");
  await cancel.getByLabel("Reason").fill("changed her mind");
  await cancel.getByRole("button", { name: "Cancel order" }).click();
  await see(page, "The order was cancelled, and its payment is being refunded.");
  const cancelled = await eventually(async () => {
    const seen = await stage.shop.ask("GET", `/v1/orders/${second.id}`);
    return seen.payment_state === "refunded" && seen;
  }, "the money is back");
  assert.equal(cancelled.fulfillment_state, "cancelled");
});

test("a drop is saved as a draft, changed, published and cancelled; its units return to the stock", TEST, async (context) => {
  const { page } = await stage.buyer(context);
  await enter(page, "/console/drops/new");
  await page.getByLabel("Find a product").fill("Stoneware Mug");
  await button(page, /^Stoneware Mug/).click();
  await page.getByRole("group", { name: "Starts" }).getByLabel("Immediately").check();
  await page.getByLabel("Title").fill("Mugs at noon");
  const chosen = page.locator(".drop-item").first();
  await chosen.getByRole("checkbox").check();
  await chosen.getByLabel("Units", { exact: true }).fill("2");
  await button(page, "Save draft").click();
  await page.getByRole("heading", { name: "Mugs at noon" }).waitFor();
  const id = /\/console\/drops\/([^/]+)$/.exec(page.url())?.[1] ?? "";
  const drop = () => stage.shop.ask("GET", `/v1/drops/${id}`);
  const { items: [{ sku }] } = await drop();
  const levels = () => stage.shop.ask("GET", `/v1/inventory/${sku}`);
  const before = await levels();

  await link(page, "Edit").click();
  await page.getByLabel("Title").fill("Mugs in the afternoon");
  await button(page, "Save").click();
  await page.getByRole("heading", { name: "Mugs in the afternoon" }).waitFor();
  await button(page, "Publish").click();
  await dialog(page, "Publish Mugs in the afternoon?").getByRole("button", { name: "Publish" }).click();
  await page.locator(".badge", { hasText: /^Open$/ }).waitFor();
  assert.equal((await levels()).allocated, before.allocated + 2);

  await button(page, "Extend").click();
  const ends = Date.parse((await drop()).ends_at);
  await dialog(page, "Change the end").getByRole("button", { name: "+30 minutes" }).click();
  await dialog(page, "Change the end").getByRole("button", { name: "Change end" }).click();
  await eventually(async () => Date.parse((await drop()).ends_at) - ends >= 29 * 60_000, "it ends later");

  await button(page, "Cancel drop").click();
  await dialog(page, "Cancel Mugs in the afternoon?").getByRole("button", { name: "Cancel drop" }).click();
  await page.locator(".badge", { hasText: /^Cancelled$/ }).waitFor();
  await eventually(async () => (await levels()).available === before.available, "the units are back");
});

test("stock is adjusted, but not below the held and allocated units", TEST, async (context) => {
  await stage.shop.drop({ title: "Shelf Tee", sizes: { M: 4 } });
  const { page } = await stage.buyer(context);
  await enter(page, "/console/stock");
  await page.getByLabel("Search by product or SKU").fill("Shelf Tee");
  await button(page, "Adjust").first().click();
  const adjust = dialog(page, "Adjust stock");
  await adjust.getByLabel("Change in units").fill("-1000");
  await adjust.getByLabel("Reason").fill("count");
  await adjust.getByRole("button", { name: "Save" }).click();
  await see(page, /^On hand \d+: /);
  await adjust.getByLabel("Change in units").fill("5");
  await adjust.getByRole("button", { name: "Save" }).click();
  await adjust.waitFor({ state: "detached" });
  await see(page, /: \d+ on hand\.$/);
});

test("an e-mail link with special characters addresses only that mailbox", TEST, async (context) => {
  const email = "o'neil?subject=x&bcc=eve%40evil.example#/{y}=`|@example.com";
  const drop = await stage.shop.drop({ title: "Escape Tee", sizes: { M: 1 } });
  const { id, number } = await order(drop, email);
  const { page } = await stage.buyer(context);
  await enter(page, `/console/orders/${id}`);
  await page.getByRole("heading", { name: `Order ${number}` }).waitFor();
  const href = (await link(page, email).getAttribute("href")) ?? "";
  const address = new URL(href);
  assert.deepEqual([address.protocol, address.search, address.hash], ["mailto:", "", ""]);
  assert.equal(decodeURIComponent(address.pathname), email);
  assert.doesNotMatch(href, /[?&#"`{}|]/);
});
