// Fingers that tap twice: the second tap never lands on another button, at any pause and on any screen.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PHONE } from "./harness/looks.mjs";
import { eventually, setting, TEST } from "./harness/setting.mjs";
import { button, chooseCard, claim, claimButton, confirmed, fillAddress, openDrop, see, toCheckout } from "./harness/steps.mjs";

/** @typedef {import("./harness/browser.mjs").Page} Page */

const stage = setting();
const SCREENS = /** @type {const} */ ([
  ["a desktop", {}],
  ["a phone", PHONE],
]);

/** Where an element is, once it has stopped scrolling there. */
async function placeOf(/** @type {import("playwright-core").Locator} */ element) {
  await element.scrollIntoViewIfNeeded();
  const box = await element.boundingBox();
  assert.ok(box);
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** What is under a place. */
const under = (/** @type {Page} */ page, /** @type {{ x: number, y: number }} */ { x, y }) =>
  page.evaluate(([x, y]) => {
    const control = document.elementFromPoint(x ?? 0, y ?? 0)?.closest("a, button");
    return control?.getAttribute("aria-label") ?? control?.textContent ?? "";
  }, [x, y]);

const top = (/** @type {Page} */ page, size = "S") => claimButton(page, size).boundingBox().then((box) => box?.y);

for (const [screen, options] of SCREENS) {
  test(`on ${screen} a double tap on the first of three sizes holds one unit of it and releases none`, TEST, async (context) => {
    const drop = await stage.shop.drop({ sizes: { S: 5, M: 5, L: 5 }, per_buyer_max: 5 });
    const { page } = await stage.buyer(context, options);
    await openDrop(page, drop, "S");
    await see(page, /here$/);
    const at = await placeOf(claimButton(page, "S"));
    await page.mouse.click(at.x, at.y);
    // As late as a second tap of a double tap may come, when the answer has long been there.
    await page.getByRole("heading", { name: "Held for you" }).waitFor();
    await page.mouse.click(at.x, at.y);
    assert.match(await under(page, at), /^Claim S for/);
    await claimButton(page, "S").and(page.locator("[aria-disabled=false]")).waitFor();
    const seen = await stage.standing(drop);
    assert.deepEqual(seen.items.map((/** @type {any} */ { held }) => held), [1, 0, 0]);
    await page.getByRole("heading", { name: "Held for you" }).waitFor();
  });

  test(`on ${screen} the buttons stay where they are through claims, refusals, holds that end, and the end of the drop`, TEST, async (context) => {
    const drop = await stage.shop.drop({ sizes: { S: 1, M: 1 }, hold_seconds: 5, opens_in_ms: 5_000 });
    const { page } = await stage.buyer(context, options);
    await openDrop(page, drop, "S");
    await see(page, /here$/);
    await see(page, "by Harbour & Co");
    await claimButton(page, "S").scrollIntoViewIfNeeded();
    const before = await top(page);
    const stays = async (/** @type {string} */ when) => assert.equal(await top(page), before, when);
    await claimButton(page, "S").and(page.locator(":enabled")).waitFor();
    await stays("after the opening");
    await page.evaluate(() => [...document.querySelectorAll("button")].find((one) => one.ariaLabel?.startsWith("Claim S"))?.click());
    await page.getByRole("heading", { name: "Held for you" }).waitFor();
    await stays("with a hold");
    const other = await stage.buyer(context);
    await openDrop(other.page, drop);
    await claim(other.page, "M");
    await see(page, "All units are held at the moment");
    await stays("while all are held");
    await see(page, "Your hold has expired");
    await stays("after the hold has ended");
    await stage.shop.ask("POST", `/v1/drops/${drop.id}/end`);
    await see(page, "This drop has ended");
    await stays("after the drop has ended");
  });

  test(`on ${screen} a release asks for confirmation, and a second tap at the same place keeps the hold`, TEST, async (context) => {
    const drop = await stage.shop.drop();
    const { page } = await stage.buyer(context, options);
    await openDrop(page, drop);
    await claim(page);
    const at = await placeOf(button(page, "Release"));
    await page.mouse.dblclick(at.x, at.y);
    assert.equal((await stage.standing(drop)).held, 1);
    // One that comes later than a double tap does finds the answer that loses nothing.
    assert.equal(await under(page, at), "Keep");
    await button(page, "Release M").click();
    await see(page, "M was released.");
    assert.equal((await stage.standing(drop)).held, 0);
  });

  test(`on ${screen} a double tap adds one item to the cart and does not activate the drawer that opens`, TEST, async (context) => {
    const drop = await stage.shop.drop();
    const { page } = await stage.buyer(context, options);
    // The drop has all the stock: there has to be more, and the product has to show it. It is read from lists, which
    // follow a little later.
    await stage.shop.ask("POST", `/v1/inventory/${drop.items[0].sku}/adjustments`, { delta: 5, reason: "for a test" });
    const inStock = async () => (await stage.shop.ask("GET", `/v1/products/${drop.product_id}`)).variants.some((/** @type {any} */ { in_stock }) => in_stock);
    await eventually(inStock, "units in stock");
    await page.goto(`/products/${drop.product_id}`);
    await button(page, "Add to cart").and(page.locator(":enabled")).waitFor();
    const at = await placeOf(button(page, "Add to cart"));
    await page.mouse.click(at.x, at.y);
    const cart = page.getByRole("dialog", { name: "Your cart" });
    await cart.getByRole("button", { name: "Check out" }).waitFor();
    await page.mouse.click(at.x, at.y);
    await cart.getByRole("button", { name: "Check out" }).waitFor();
    assert.equal(await cart.isVisible(), true, "the drawer stays open");
    assert.equal(await cart.locator(".stepper .digits").textContent(), "1");
    assert.match(page.url(), /\/products\//);
  });

  test(`on ${screen} a double tap on Pay pays once and does not answer the bank's challenge`, TEST, async (context) => {
    const drop = await stage.shop.drop();
    const { page } = await stage.buyer(context, options);
    await openDrop(page, drop);
    await claim(page);
    await toCheckout(page);
    await fillAddress(page, "twice@example.com");
    await chooseCard(page, "Declined payment");
    const at = await placeOf(button(page, /^Pay \$/));
    await page.mouse.dblclick(at.x, at.y);
    await see(page, "Your card was declined");
    assert.match(await under(page, at), /^Pay/, "the button is where it was");
    await chooseCard(page, "Payment with authentication");
    const again = await placeOf(button(page, /^Pay \$/));
    await button(page, /^Pay \$/).and(page.locator("[aria-disabled=false]")).waitFor();
    await page.mouse.click(again.x, again.y);
    await button(page, "Confirm payment").waitFor();
    // Whatever stands there now.
    await page.mouse.click(again.x, again.y);
    await page.getByRole("heading", { name: "Your bank asks you to confirm the payment" }).waitFor();
    await button(page, "Confirm payment").click();
    await confirmed(page);
    assert.equal((await stage.standing(drop)).sold, 1);
  });
}

test("the button shows that the limit is reached, and a release makes it active", TEST, async (context) => {
  const drop = await stage.shop.drop({ per_buyer_max: 1, sizes: { S: 3, M: 3 } });
  const { page } = await stage.buyer(context);
  await openDrop(page, drop);
  await claim(page);
  await see(page, "You have reached the limit");
  assert.equal(await claimButton(page, "S").isDisabled(), true);
  await button(page, "Release").click();
  await button(page, "Release M").click();
  await claimButton(page, "S").and(page.locator(":enabled")).waitFor();
});
