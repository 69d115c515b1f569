// An order that goes out in parcels and is refunded by its units, in the console.

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, setting, TEST } from "./harness/setting.mjs";
import { button, enterConsole, see } from "./harness/steps.mjs";

const stage = setting();

/** A paid order of three coats and a scarf, as the vendor sees it. */
async function order() {
  const { ask } = stage.shop;
  const token = Math.random().toString(36).slice(2, 8);
  const price = (/** @type {number} */ amount) => ({ amount, currency: "USD" });
  const coat = await ask("POST", "/v1/products", {
    title: `Coat ${token}`,
    options: ["Size"],
    variants: ["S", "M"].map((size) => ({ sku: `C-${token}-${size}`, options: [size], price: price(10_000) })),
  });
  const scarf = await ask("POST", "/v1/products", { title: `Scarf ${token}`, variants: [{ sku: `S-${token}`, price: price(2_000) }] });
  const skus = [coat.variants[1].sku, scarf.variants[0].sku];
  for (const sku of skus) await ask("POST", `/v1/inventory/${sku}/adjustments`, { delta: 10, reason: "for a test" });
  const { token: buyer } = await ask("POST", "/v1/sessions", {}, "");
  const cart = await ask("POST", "/v1/carts", {}, buyer);
  for (const [sku, quantity] of [[skus[0], 3], [skus[1], 1]]) await ask("POST", `/v1/carts/${cart.id}/lines`, { sku, quantity }, buyer);
  const paid = await ask("POST", "/v1/checkouts", {
    cart_id: cart.id,
    payment: { provider: "sandbox", token: "tok_approve" },
    email: `${token}@example.com`,
    shipping_address: { name: "Grace Hopper", line1: "1 Compiler Way", city: "Arlington", region: "VA", postal_code: "22201", country: "US" },
  }, buyer);
  const { order_id } = await eventually(async () => {
    const seen = await ask("GET", `/v1/checkouts/${paid.id}`, undefined, buyer);
    return seen.state === "completed" && seen;
  }, "the checkout is completed");
  const seen = await eventually(async () => {
    const seen = await ask("GET", `/v1/orders/${order_id}`);
    return seen.payment_state === "paid" && seen;
  }, "the order is paid");
  return { ...seen, coat: `Coat ${token}`, scarf: `Scarf ${token}`, skus };
}

/** @typedef {import("./harness/browser.mjs").Page} Page */

const dialog = (/** @type {Page} */ page, /** @type {string} */ name) => page.getByRole("dialog", { name });

test("an order is sent in parcels, and the tracking of one is corrected", TEST, async (context) => {
  const { id, number, coat, scarf } = await order();
  const { page } = await stage.buyer(context);
  await enterConsole(page, `/console/orders/${id}`, stage.shop.vendor);
  await button(page, "Mark as shipped").click();
  const send = dialog(page, `Ship order ${number}`);
  await send.getByLabel(coat).fill("4");
  await send.getByRole("button", { name: "Mark as shipped" }).click();
  await see(page, "Enter at least one unit, and no more than are left.");
  await send.getByLabel(coat).fill("2");
  await send.getByLabel(scarf).fill("0");
  await send.getByLabel("Tracking").fill("WRONG-1");
  await send.getByRole("button", { name: "Mark as shipped" }).click();
  await see(page, "The parcel was marked as shipped.");
  await see(page, "Partially shipped");
  const first = page.locator(".parcels > li", { hasText: "Parcel 1" });
  await first.getByText(`2 × ${coat}`).waitFor();
  await first.getByText("Size: M").waitFor();

  await first.getByRole("button", { name: "Edit tracking" }).click();
  const track = dialog(page, `Tracking of order ${number}`);
  await track.getByLabel("Tracking").fill("RIGHT-1");
  await track.getByRole("button", { name: "Save" }).click();
  await see(page, "The tracking was updated.");
  await first.getByText("RIGHT-1").waitFor();

  await button(page, "Mark as shipped").click();
  assert.equal(await send.getByLabel(coat).inputValue(), "1", "what is left");
  await send.getByRole("button", { name: "Mark as shipped" }).click();
  await see(page, "The order was marked as shipped.");
  await page.locator(".parcels > li", { hasText: "Parcel 2" }).getByText(`1 × ${scarf}`).waitFor();
  const { fulfillments, fulfillment_state, lines } = await stage.shop.ask("GET", `/v1/orders/${id}`);
  assert.deepEqual([fulfillment_state, fulfillments.length, fulfillments[0].tracking], ["fulfilled", 2, "RIGHT-1"]);
  assert.deepEqual(lines.map((/** @type {any} */ line) => [line.fulfilled_quantity, line.remaining_quantity]), [[3, 0], [1, 0]]);
});

test("refunded units are available again", TEST, async (context) => {
  const { id, number, coat, skus } = await order();
  const { page } = await stage.buyer(context);
  await enterConsole(page, `/console/orders/${id}`, stage.shop.vendor);
  await button(page, "Refund").click();
  const refund = dialog(page, `Refund order ${number}`);
  await refund.getByLabel("Units", { exact: true }).check();
  await refund.getByLabel("Reason").fill("too small");
  await refund.getByRole("button", { name: "Refund" }).click();
  await see(page, "Enter at least one unit, and no more than are left.");
  await refund.getByLabel(coat).fill("2");
  await refund.getByLabel("Return the units to stock").check();
  await refund.getByRole("button", { name: "Refund" }).click();
  await see(page, "$200.00 was refunded.");
  await see(page, "Partially refunded");
  const { lines, totals } = await stage.shop.ask("GET", `/v1/orders/${id}`);
  assert.deepEqual([lines[0].refunded_quantity, lines[0].remaining_quantity, totals.refunded.amount], [2, 1, 20_000]);
  await eventually(async () => (await stage.shop.ask("GET", `/v1/inventory/${skus[0]}`)).available === 9, "the units are back");

  // What is refunded is not sent any more.
  await button(page, "Mark as shipped").click();
  assert.equal(await dialog(page, `Ship order ${number}`).getByLabel(coat).inputValue(), "1");
});
