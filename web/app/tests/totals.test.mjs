// What the checkout page says before it is paid: the total with shipping and tax, and the address of each country.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setting, TEST } from "./harness/setting.mjs";
import { button, claim, confirmed, fillAddress, link, openDrop, pay, see, toCheckout } from "./harness/steps.mjs";

// The shop of this file adds both.
process.env["FUSION_SHIPPING_FLAT"] = "932";
process.env["FUSION_TAX_BASIS_POINTS"] = "2300";

const stage = setting();

test("a drop's first payment is for the total that the page shows", TEST, async (context) => {
  const drop = await stage.shop.drop({ price: 1800 });
  const { page } = await stage.buyer(context);
  await openDrop(page, drop);
  await claim(page);
  await toCheckout(page);
  const summary = page.locator(".summary .totals");
  await summary.getByText("$31.46").waitFor();
  assert.deepEqual(await summary.locator("dd").allTextContents(), ["$18.00", "$9.32", "$4.14", "$31.46"]);
  await fillAddress(page);
  await button(page, "Pay $31.46").click();
  await confirmed(page);
});

test("a cart's first payment is for the total that the page shows, and an address in Hong Kong has no postal code", TEST, async (context) => {
  const { page } = await stage.buyer(context);
  await page.goto("/");
  await page.getByRole("searchbox").fill("keyboard");
  await page.waitForURL(/\?q=keyboard/);
  await link(page, "Quiet Mechanical Keyboard").click();
  await button(page, "Add to cart").click();
  await page.getByRole("dialog", { name: "Your cart" }).getByRole("button", { name: "Check out" }).click();
  await page.getByText("$9.32").waitFor();
  await page.getByLabel("Country").selectOption("HK");
  await page.getByLabel("Area").selectOption({ label: "Kowloon" });
  assert.equal(await page.getByLabel(/Postal code|ZIP code/).count(), 0);
  await page.getByLabel("E-mail").fill("kim@example.com");
  await page.getByLabel("Full name").fill("Kim Lee");
  await page.getByLabel("Street and number").fill("1 Nathan Road");
  await pay(page);
  await confirmed(page);
  await link(page, "Track your order").click();
  await see(page, "Kowloon");
});

test("a country with states requires one, and an invalid postal code is reported at its field", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page } = await stage.buyer(context);
  await openDrop(page, drop);
  await claim(page);
  await toCheckout(page);
  await page.getByLabel("Country").selectOption("US");
  await page.getByLabel("State").waitFor();
  await page.getByLabel("E-mail").fill("sam@example.com");
  await page.getByLabel("Full name").fill("Sam Poe");
  await page.getByLabel("Street and number").fill("1 Main St");
  await page.getByLabel("City").fill("Springfield");
  await page.getByLabel("ZIP code").fill("6270");
  await pay(page);
  await see(page, "This field is required.");
  await page.getByLabel("State").selectOption({ label: "Illinois" });
  await pay(page);
  await see(page, "Enter a valid postal code for this country, such as 95014.");
  await page.getByLabel("ZIP code").fill("62701");
  await pay(page);
  await confirmed(page);
});
