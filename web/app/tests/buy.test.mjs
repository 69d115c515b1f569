// Buying, from the first look to the parcel.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, setting, TEST } from "./harness/setting.mjs";
import { button, chooseCard, claim, confirmed, fillAddress, link, openDrop, pay, see, toCheckout } from "./harness/steps.mjs";

const stage = setting();

test("a guest buys from a drop and sees the order on its way", TEST, async (context) => {
  const drop = await stage.shop.drop({ title: "Harbour Tee", sizes: { S: 4, M: 4 } });
  const { page } = await stage.buyer(context);
  await page.goto("/");
  await page.locator(".drop-card").getByRole("link", { name: "Harbour Tee" }).click();
  await claim(page);
  await toCheckout(page);
  await see(page, "left to pay");
  await fillAddress(page);
  await pay(page);
  const number = await confirmed(page);
  await see(page, "We are sending a receipt to ada@example.com.");

  const { items: orders } = await eventually(async () => {
    const list = await stage.shop.ask("GET", "/v1/orders");
    return list.items.length > 0 && list;
  }, "the vendor's list has the order");
  const order = orders[0];
  assert.equal(order.number, number);
  await link(page, "Track your order").click();
  await page.getByRole("heading", { name: `Order ${number}` }).waitFor();
  await page.locator("li[aria-current=step]", { hasText: "Being packed" }).waitFor();

  await stage.shop.ask("POST", `/v1/orders/${order.id}/fulfillments`, { tracking: "PL-77-1" });
  await page.locator("li[aria-current=step]", { hasText: "Shipped" }).waitFor();
  await see(page, "Tracking: PL-77-1");

  const kept = await stage.standing(drop);
  assert.deepEqual([kept.available, kept.held, kept.sold], [7, 0, 1]);

  const stranger = await stage.buyer(context);
  await stranger.page.goto(new URL(page.url()).pathname);
  await see(stranger.page, "Page not found");
  await stranger.page.goto(page.url());
  await stranger.page.getByRole("heading", { name: `Order ${number}` }).waitFor();
});

test("a payment waits until the bank's challenge is answered", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page } = await stage.buyer(context);
  await openDrop(page, drop);
  await claim(page);
  await toCheckout(page);
  await fillAddress(page, "bea@example.com");
  await chooseCard(page, "Payment with authentication");
  await pay(page);
  await page.getByRole("heading", { name: "Your bank asks you to confirm the payment" }).waitFor();
  assert.equal((await stage.standing(drop)).sold, 0);
  await button(page, "Confirm payment").click();
  await confirmed(page);
  assert.equal((await stage.standing(drop)).sold, 1);
});

test("a declined card leaves the hold, and another card pays for it", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page } = await stage.buyer(context);
  await openDrop(page, drop);
  await claim(page);
  await toCheckout(page);
  await fillAddress(page, "cy@example.com");
  await chooseCard(page, "Declined payment");
  await pay(page);
  await see(page, "Your card was declined");
  assert.equal(await page.getByLabel("Full name").inputValue(), "Ada Lovelace");
  assert.equal((await stage.standing(drop)).held, 1);
  await chooseCard(page, "Successful payment");
  await pay(page);
  await confirmed(page);
});

test("the page shows that a slow payment is in progress", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page } = await stage.buyer(context);
  await openDrop(page, drop);
  await claim(page);
  await toCheckout(page);
  await fillAddress(page, "dan@example.com");
  await chooseCard(page, "Slow payment");
  await pay(page);
  await see(page, /Your bank is taking longer than usual/);
  await confirmed(page);
});

test("products are bought through the cart, and a changed price must be accepted first", TEST, async (context) => {
  const { page } = await stage.buyer(context);
  await page.goto("/");
  await page.getByRole("searchbox").fill("keyboard");
  await page.waitForURL(/\?q=keyboard/);
  await link(page, "Quiet Mechanical Keyboard").click();
  await button(page, "Add to cart").click();
  const cart = page.getByRole("dialog", { name: "Your cart" });
  await cart.getByText("Quiet Mechanical Keyboard").first().waitFor();
  await cart.getByRole("button", { name: "Check out" }).click();
  await fillAddress(page, "eve@example.com");

  const { items } = await stage.shop.ask("GET", "/v1/products?query=keyboard");
  const changed = items[0].variants.map((/** @type {any} */ { id, price }) => ({ id, price: { ...price, amount: price.amount + 100 } }));
  const answer = await fetch(`${stage.shop.url}/v1/products/${items[0].id}`, {
    method: "PATCH",
    headers: { authorization: `Bearer ${stage.shop.vendor}`, "content-type": "application/json", "if-match": `"${items[0].version}"` },
    body: JSON.stringify({ variants: changed }),
  });
  assert.equal(answer.status, 200, await answer.text());
  await pay(page);
  await see(page, /^The total is now \$/);
  await pay(page);
  await confirmed(page);
});

test("filters are part of the URL and survive a reload", TEST, async (context) => {
  const { page } = await stage.buyer(context);
  await page.goto("/");
  await page.getByRole("button", { name: "Electronics" }).click();
  await page.getByLabel("Sort by").selectOption("Price, high to low");
  await page.waitForURL(/\?type=Electronics&sort=price-desc/);
  const prices = async () =>
    (await page.locator(".grid .price-now").allTextContents()).map((text) => Number(text.replace(/[^\d.]/g, "")));
  const { items } = await stage.shop.ask("GET", "/v1/products?type=Electronics");
  const cheapest = (/** @type {any} */ { variants }) => Math.min(...variants.map((/** @type {any} */ { price }) => price.amount / 100));
  const wanted = items.map(cheapest).sort((/** @type {number} */ a, /** @type {number} */ b) => b - a);
  assert.ok(wanted.length > 1);
  const areThere = async () => JSON.stringify(await prices()) === JSON.stringify(wanted);
  await eventually(areThere, "the goods are in order");
  await page.reload();
  await eventually(areThere, "the goods are in the same order");
  assert.equal(await page.getByRole("button", { name: "Electronics" }).getAttribute("aria-pressed"), "true");

  await page.goto("/?q=nothing-like-that");
  await see(page, "No results for “nothing-like-that”.");
  await link(page, "Show all products").click();
  await page.locator(".grid .card h3").nth(5).waitFor();
});

test("a forgotten password is reset by the mailed link", TEST, async (context) => {
  const { page } = await stage.buyer(context);
  await page.goto("/account");
  await button(page, "No account yet? Create one").click();
  await page.getByLabel("E-mail").fill("fay@example.com");
  await page.getByLabel("Password").fill("the first one");
  await button(page, "Create account").click();
  await link(page, "Account").waitFor();
  await page.goto("/account");
  await see(page, "As fay@example.com.");
  await button(page, "Sign out").click();

  await link(page, "Forgotten your password?").click();
  // The page before has a field of that name too, and stays until this one is there.
  await page.getByRole("heading", { name: "Reset your password" }).waitFor();
  await page.getByLabel("E-mail").fill("fay@example.com");
  await button(page, "Send link").click();
  await see(page, /we have sent a link to this address/);
  const link_path = await eventually(() => mailedLink(stage.shop.folder, "fay@example.com"), "the mail is in the outbox");

  await page.goto(link_path);
  await page.getByLabel("New password").fill("another, longer one");
  await button(page, "Set password").click();
  await see(page, "Your password is set");
  await button(page, "Sign in").click();
  await page.getByLabel("E-mail").fill("fay@example.com");
  await page.getByLabel("Password").fill("another, longer one");
  await button(page, "Sign in").click();
  await link(page, "Account").waitFor();
  await page.goto("/account");
  await see(page, "As fay@example.com.");

  await page.goto(link_path);
  await page.getByLabel("New password").fill("and once more now");
  await button(page, "Set password").click();
  await see(page, "This link is no longer valid");
});

/** The path that a mail to `address` links to. */
async function mailedLink(/** @type {string} */ folder, /** @type {string} */ address) {
  const outbox = join(folder, "outbox");
  for (const name of await readdir(outbox).catch(() => /** @type {string[]} */ ([]))) {
    // One that is still being written has another ending.
    if (!name.endsWith(".eml")) continue;
    const mail = (await readFile(join(outbox, name), "utf8")).replace(/=\r?\n/g, "").replace(/=3D/g, "=");
    const found = mail.includes(address) && /https?:\/\/[^/\s]+(\/reset-password#token=[^\s"<]+)/.exec(mail);
    if (found) return found[1];
  }
  return undefined;
}
