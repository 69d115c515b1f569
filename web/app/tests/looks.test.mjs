// What the pages are like for eyes, ears and fingers: narrow screens, both languages, keyboards, screen readers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { violations } from "./harness/axe.mjs";
import { PHONE, shoot, tooWide } from "./harness/looks.mjs";
import { setting, TEST } from "./harness/setting.mjs";
import { button, chooseCard, claim, claimButton, confirmed, fillAddress, openDrop, pay, see, toCheckout } from "./harness/steps.mjs";

/** @typedef {import("./harness/browser.mjs").Page} Page */

const stage = setting();
/** Every kind of page, in the order of a purchase. */
async function* everyPage(/** @type {Page} */ page, /** @type {{ id: string, product_id: string }} */ drop) {
  await page.goto("/");
  await page.locator(".grid .card h3").first().waitFor();
  yield "home";
  await page.goto(`/products/${drop.product_id}`);
  await button(page, /Add to cart|Dodaj do koszyka/).waitFor();
  yield "product";
  await openDrop(page, drop);
  await see(page, /here$/);
  yield "drop";
  await claim(page);
  yield "drop-held";
  await toCheckout(page);
  await page.getByLabel("Full name").waitFor();
  await button(page, /^Pay/).click();
  await see(page, /^This field is required/);
  yield "checkout-errors";
  await fillAddress(page, `look-${Math.random().toString(36).slice(2)}@example.com`);
  await chooseCard(page, "Declined payment");
  await pay(page);
  await see(page, "Your card was declined");
  yield "checkout-declined";
  await chooseCard(page, "Payment with authentication");
  await pay(page);
  await button(page, "Confirm payment").waitFor();
  yield "challenge";
  await button(page, "Confirm payment").click();
  const number = await confirmed(page);
  yield "confirmation";
  await page.getByRole("link", { name: "Track your order" }).click();
  await page.getByRole("heading", { name: `Order ${number}` }).waitFor();
  yield "order";
  await page.goto("/orders");
  await see(page, `Order ${number}`);
  yield "orders";
  await page.goto("/account");
  await page.getByLabel("Password").waitFor();
  yield "account";
  await page.goto("/reset-password");
  await page.getByLabel("E-mail").waitFor();
  yield "reset";
  await page.goto("/nothing-here");
  await see(page, "Page not found");
  yield "missing";
}

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  for (const [size, options] of /** @type {const} */ ([
    ["wide", {}],
    ["phone", PHONE],
  ])) {
    test(`the shop is accessible, ${colorScheme} and ${size}; nothing is wider than the screen`, { timeout: 60_000 }, async (context) => {
      const drop = await stage.shop.drop({ title: "Lantern Tee", sizes: { S: 3, M: 8, L: 30 } });
      const { page } = await stage.buyer(context, { colorScheme, reducedMotion: "reduce", ...options });
      for await (const name of everyPage(page, drop)) {
        await shoot(page, `${name}-${size}-${colorScheme}`);
        assert.deepEqual(await violations(page), [], name);
        assert.deepEqual(await tooWide(page), [], name);
      }
    });
  }
}

test("on a phone nothing moves while the drop page comes to life", TEST, async (context) => {
  const drop = await stage.shop.drop({ sizes: { S: 3, M: 8, L: 30 } });
  const { page } = await stage.buyer(context, PHONE);
  await page.addInitScript(() => {
    const all = /** @type {any} */ (globalThis);
    all.shifts = [];
    new PerformanceObserver((list) => {
      for (const entry of /** @type {any[]} */ (list.getEntries())) {
        if (!entry.hadRecentInput) {
          all.shifts.push([entry.value, ...entry.sources.map((/** @type {any} */ { node }) => node?.outerHTML?.slice(0, 120) ?? node?.nodeName)]);
        }
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
  await openDrop(page, drop);
  await see(page, /here$/);
  await see(page, "by Harbour & Co");
  const shifts = await page.evaluate(() => /** @type {any} */ (globalThis).shifts);
  const sum = shifts.reduce((/** @type {number} */ all, /** @type {[number]} */ [value]) => all + value, 0);
  assert.ok(sum < 0.02, `layout shifts add up to ${sum}: ${JSON.stringify(shifts)}`);
});

test("the shop speaks Polish, plural forms included, and remembers the choice", TEST, async (context) => {
  const drop = await stage.shop.drop({ sizes: { S: 1, M: 22, L: 25 }, per_buyer_max: 5, hold_seconds: 120 });
  const { page } = await stage.buyer(context, { locale: "pl-PL", ...PHONE });
  await page.goto(`/drops/${drop.id}`);
  await see(page, "została 1 sztuka");
  await see(page, "zostały 22 sztuki");
  await see(page, "zostało 25 sztuk");
  await see(page, "Ogląda 1 osoba");
  await see(page, /Limit: 5 sztuk na osobę. Rezerwacja trwa 2 minuty/);
  await see(page, /^42,00\sUSD$/);
  assert.equal(await page.locator("html").getAttribute("lang"), "pl");
  await button(page, /^Rezerwuj M za 42,00\sUSD$/).click();
  await see(page, "Zarezerwowane dla Ciebie");
  await shoot(page, "drop-polish-phone");
  await page.getByLabel("Język").selectOption("English");
  await see(page, "Held for you");
  await page.reload();
  await see(page, "Held for you");
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
});

test("a buyer can find the drop, claim and pay with the keyboard alone", TEST, async (context) => {
  const drop = await stage.shop.drop({ title: "Keyboard Tee" });
  const { page } = await stage.buyer(context);
  await page.goto("/");
  // The product has the same name, and another place.
  await page.locator(".drop-card").getByRole("link", { name: "Keyboard Tee" }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "content");
  await tabTo(page, "Keyboard Tee");
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/drops/keyboard-tee-${drop.id}`);
  await claimButton(page).waitFor();
  // What was gone to is read out: its heading has the focus.
  await page.locator("h1:focus").waitFor();
  await tabTo(page, /^Claim M for/);
  const ring = await page.evaluate(() => getComputedStyle(/** @type {Element} */ (document.activeElement)).outlineStyle);
  assert.notEqual(ring, "none", "the focus can be seen");
  await page.keyboard.press("Enter");
  await see(page, "Held for you");
  await page.getByRole("status").filter({ hasText: "M is held for you." }).waitFor();
  await page.locator("h2:focus", { hasText: "Held for you" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Check out");
  await page.keyboard.press("Enter");
  await page.getByLabel("Full name").waitFor();
  for (const [label, value] of [
    ["E-mail", "lou@example.com"],
    ["Country", "Germany"],
    ["Full name", "Lou Keys"],
    ["Street and number", "1 Tab Lane"],
    ["Postal code", "10115"],
    ["City", "Berlin"],
  ]) {
    await tabTo(page, label ?? "");
    await page.keyboard.type(value ?? "");
  }
  await tabTo(page, /^Successful payment/);
  await page.keyboard.press("ArrowDown");
  assert.match(await focused(page), /^Payment with authentication/);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Your bank asks you to confirm the payment" }).waitFor();
  await page.locator("h2:focus", { hasText: /^Your bank asks you to confirm the payment$/ }).waitFor();
  await tabTo(page, "Confirm payment");
  await page.keyboard.press("Enter");
  await confirmed(page);
  await page.locator(":focus", { hasText: /^Your order is confirmed$/ }).waitFor();
});

test("screen readers announce milestones only: 10 seconds left, and sold out", TEST, async (context) => {
  const drop = await stage.shop.drop({ sizes: { M: 1 }, hold_seconds: 13 });
  const { page } = await stage.buyer(context);
  await page.addInitScript(() => {
    const all = /** @type {any} */ (globalThis);
    all.said = [];
    new MutationObserver((changes) => {
      for (const { target } of changes) {
        const region = (target instanceof Element ? target : target.parentElement)?.closest("[aria-live=polite]");
        if (region?.textContent) all.said.push(region.textContent);
      }
    }).observe(document, { subtree: true, childList: true, characterData: true });
  });
  const said = () => page.evaluate(() => [...new Set(/** @type {any} */ (globalThis).said)]);
  const other = await stage.buyer(context);
  await openDrop(other.page, drop);
  await openDrop(page, drop);
  await claim(page);
  await page.getByRole("status").filter({ hasText: "10 seconds left." }).waitFor();
  assert.deepEqual(await said(), ["M is held for you.", "10 seconds left."]);
  await toCheckout(page);
  await fillAddress(page, "max@example.com");
  await pay(page);
  await confirmed(page);
  await other.page.getByRole("status").filter({ hasText: "The drop is sold out." }).waitFor();
});

/** Goes on with Tab until what has this name has the focus. */
async function tabTo(/** @type {Page} */ page, /** @type {string | RegExp} */ name) {
  for (let steps = 0; steps < 60; steps += 1) {
    const here = await focused(page);
    if (typeof name === "string" ? here === name : name.test(here)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`60 times Tab did not lead to ${name}`);
}

/** By what name what has the focus is known. */
function focused(/** @type {Page} */ page) {
  return page.evaluate(() => {
    const here = document.activeElement;
    const label = here instanceof HTMLInputElement || here instanceof HTMLSelectElement ? here.labels?.[0]?.textContent : undefined;
    return (here?.ariaLabel ?? label ?? here?.textContent ?? "").trim();
  });
}
