// What things are called: by their names, never by a merchant's codes, and by whom they are held.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setting, TEST } from "./harness/setting.mjs";
import { button, claim, claimButton, see, toCheckout } from "./harness/steps.mjs";

const stage = setting();

test("an item without options, and one of a hidden product, show their product's title", TEST, async (context) => {
  const { page } = await stage.buyer(context);
  const sku = `RAW-SKU-${Date.now()}`;
  const money = { amount: 1500, currency: "USD" };
  const product = await stage.shop.ask("POST", "/v1/products", { title: "Plain Bowl", variants: [{ sku, price: money }] });
  await stage.shop.ask("POST", `/v1/inventory/${sku}/adjustments`, { delta: 9, reason: "for a test" });
  const drop = (/** @type {Record<string, unknown>} */ also) =>
    stage.shop.ask("POST", "/v1/drops", {
      sku,
      quantity: 3,
      price: money,
      per_buyer_max: 2,
      hold_seconds: 300,
      ends_at: new Date(Date.now() + 3_600_000).toISOString(),
      ...also,
    });
  for (const [also, name] of /** @type {const} */ ([
    [{ product_id: product.id, title: "Bowl night" }, "Plain Bowl"],
    [{ product_id: product.id }, "Plain Bowl"],
    [{ title: "Bowl night" }, "Bowl night"],
  ])) {
    const made = await drop(also);
    await page.goto(`/drops/${made.id}`);
    await claimButton(page, name).waitFor();
    await claim(page, name);
    await toCheckout(page);
    await page.getByLabel("Full name").waitFor();
    assert.equal(await page.getByText("RAW-SKU").count(), 0, name);
  }
});

test("the holder of the last unit sees it as held, and other buyers see that all units are held", TEST, async (context) => {
  const drop = await stage.shop.drop({ sizes: { M: 1 } });
  const [holder, other] = await Promise.all([stage.buyer(context), stage.buyer(context)]);
  for (const { page } of [holder, other]) {
    await page.goto(`/drops/${drop.id}`);
    await claimButton(page).waitFor();
  }
  await claim(holder.page);
  await see(holder.page, "You hold the last units");
  await see(holder.page, "Held by you");
  await see(other.page, "All units are held at the moment");
  assert.equal(await holder.page.getByText(/All (are )?held/).count(), 0);
  await button(holder.page, "Release").waitFor();
});
