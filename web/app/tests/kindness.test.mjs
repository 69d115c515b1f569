// The messages for confirmations, empty states and errors.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setting, TEST } from "./harness/setting.mjs";
import { button, chooseCard, claim, claimButton, confirmed, fillAddress, link, openDrop, pay, see, toCheckout } from "./harness/steps.mjs";

const stage = setting();

test("a paid order shows its total and address and offers an account", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page } = await stage.buyer(context);
  await openDrop(page, drop);
  await claim(page);
  await toCheckout(page);
  await fillAddress(page, "offer@example.com");
  await pay(page);
  await confirmed(page);
  const done = page.locator(".done");
  await done.getByText("$42.00").first().waitFor();
  for (const line of ["Ada Lovelace", "12 Analytical Row", "00-950 Warszawa"]) await done.getByText(line).waitFor();
  await done.getByRole("link", { name: "Create account" }).click();
  assert.equal(await page.getByLabel("E-mail").inputValue(), "offer@example.com");
  await page.getByLabel("Password").fill("a good password");
  await button(page, "Create account").click();
  await see(page, "Your account is ready. You are signed in as offer@example.com.");
  await link(page, "Account").waitFor();
  await page.goto("/orders");
  await page.locator(".order-row").first().waitFor();
});

test("a second tab at the checkout shows that the first has paid", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page, openTab } = await stage.buyer(context);
  await openDrop(page, drop);
  await claim(page);
  await toCheckout(page);
  const [second, third] = [await openTab(), await openTab()];
  for (const tab of [second, third]) {
    await tab.goto(`/drops/${drop.id}/checkout`);
    await tab.getByLabel("Full name").waitFor();
  }
  await fillAddress(page, "tabs@example.com");
  await chooseCard(page, "Payment with authentication");
  await pay(page);
  await button(page, "Confirm payment").waitFor();
  await fillAddress(second, "tabs@example.com");
  await pay(second);
  await see(second, "A payment is open in another tab");
  await button(page, "Confirm payment").click();
  await confirmed(page);
  // Neither the tab that waits nor the one that only had its form open is touched.
  await confirmed(second);
  await confirmed(third);
});

test("a second tab that waits for a payment shows its cancellation", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page, openTab } = await stage.buyer(context);
  await openDrop(page, drop);
  await claim(page);
  await toCheckout(page);
  await fillAddress(page, "gone@example.com");
  await chooseCard(page, "Payment with authentication");
  const second = await openTab();
  await second.goto(`/drops/${drop.id}/checkout`);
  await second.getByLabel("Full name").waitFor();
  await pay(page);
  await button(page, "Cancel payment").waitFor();
  await fillAddress(second, "gone@example.com");
  await pay(second);
  await see(second, "A payment is open in another tab");
  await button(page, "Cancel payment").click();
  await second.getByText("A payment is open in another tab").waitFor({ state: "hidden" });
  await pay(second);
  await confirmed(second);
});

test("a page that failed to load offline loads when the connection is back", TEST, async (context) => {
  const { page, context: profile } = await stage.buyer(context);
  await page.goto("/");
  await page.locator(".grid .card h3").first().waitFor();
  await profile.setOffline(true);
  // Its part of the program has not been fetched yet, and neither has the product.
  await page.locator(".grid .card a").first().click();
  await see(page, "This page could not be loaded");
  await profile.setOffline(false);
  await button(page, "Add to cart").waitFor();
});

test("a failed list request is retried until it succeeds", TEST, async (context) => {
  const { page } = await stage.buyer(context);
  let isDown = true;
  await page.route("**/v1/products?*", (route) => (isDown ? route.abort() : route.continue()));
  await page.goto("/");
  await see(page, "This page could not be loaded");
  isDown = false;
  await page.locator(".grid .card h3").first().waitFor();
});

test("empty states give the reason", TEST, async (context) => {
  const { page } = await stage.buyer(context);
  await page.goto("/orders");
  await see(page, "No orders in this browser");
  const drop = await stage.shop.drop();
  await page.goto(`/drops/${drop.id}/checkout`);
  await see(page, "You have no holds in this drop");
  await page.goto("/?q=Night+Market+Tee&stock=1");
  await see(page, "“Night Market Tee” is sold out.");
  await button(page, "Show sold-out products").click();
  await page.locator(".grid .card").first().waitFor();
  await page.goto("/?q=zzz&stock=1");
  await see(page, "No results for “zzz”.");
});

test("the product's page leads to its drop, with the drop's price", TEST, async (context) => {
  const drop = await stage.shop.drop({ title: "Evening Tee", price: 3100 });
  const { page } = await stage.buyer(context);
  await page.goto(`/products/${drop.product_id}`);
  const shown = page.locator(".product-drop");
  await shown.getByText("$31.00").waitFor();
  await shown.getByText("Live now").waitFor();
  assert.equal(await page.getByText(/ships in/).count(), 0);
  await shown.getByRole("link", { name: "Go to the drop" }).click();
  await page.waitForURL(`**/drops/evening-tee-${drop.id}`);
  await claimButton(page).waitFor();
});
