// Prices in currencies that browsers know otherwise: what is typed in the console is what the shop shows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, setting, TEST } from "./harness/setting.mjs";
import { button, enterConsole } from "./harness/steps.mjs";

const stage = setting();

/** What 2499 is in minor units, and how the shop writes it: in Chromium's own data HUF and COP have no decimals, IQD neither. */
const PRICES = [
  { currency: "HUF", amount: 249_900, digits: "2,499.00" },
  { currency: "COP", amount: 249_900, digits: "2,499.00" },
  { currency: "IQD", amount: 2_499_000, digits: "2,499.000" },
  { currency: "JPY", amount: 2_499, digits: "2,499" },
];

for (const { currency, amount, digits } of PRICES) {
  test(`an amount of 2499 ${currency} is saved and displayed unchanged`, TEST, async (context) => {
    const { page } = await stage.buyer(context, { locale: "en-US" });
    await enterConsole(page, "/console/products/new", stage.shop.vendor);
    const title = `Thing for ${currency}`;
    await page.getByLabel("Title", { exact: true }).fill(title);
    await page.getByLabel("Currency").selectOption(currency);
    await page.getByLabel(`Price (${currency})`).fill("2499");
    await page.getByLabel("Status").selectOption("active");
    await button(page, "Create product").click();
    const product = await eventually(async () => {
      const { items } = await stage.shop.ask("GET", `/v1/products?query=${encodeURIComponent(title)}`);
      return items[0];
    }, "the product is in the list");
    assert.deepEqual(product.variants[0].price, { amount, currency });
    await page.goto(`/products/${product.id}`);
    const shown = (await page.locator(".price-now").first().textContent()) ?? "";
    assert.equal(shown.replace(/[^\d.,]/g, ""), digits, shown);
    await page.goto(`/console/products/${product.id}`);
    const field = page.getByLabel(`Price (${currency})`);
    await field.waitFor();
    assert.equal(await field.inputValue(), digits.replaceAll(",", ""));
  });
}
