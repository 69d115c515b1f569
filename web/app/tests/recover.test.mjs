// What breaks: pages that are reloaded, lines that are lost, sessions that end, servers that die.

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, setting, TEST } from "./harness/setting.mjs";
import { button, chooseCard, claim, claimButton, confirmed, fillAddress, openDrop, pay, see, toCheckout } from "./harness/steps.mjs";

const stage = setting();

test("a reload keeps the hold, the form input and the payment in progress", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page } = await stage.buyer(context);
  await openDrop(page, drop);
  await claim(page);
  await page.reload();
  await page.getByRole("heading", { name: "Held for you" }).waitFor();
  await toCheckout(page);
  await fillAddress(page, "ira@example.com");
  await page.reload();
  await page.getByLabel("Full name").waitFor();
  assert.equal(await page.getByLabel("Full name").inputValue(), "Ada Lovelace");
  await chooseCard(page, "Payment with authentication");
  await pay(page);
  await button(page, "Confirm payment").waitFor();
  await page.reload();
  await button(page, "Confirm payment").click();
  await confirmed(page);
  assert.deepEqual(await stage.standing(drop).then(({ held, sold }) => [held, sold]), [0, 1]);
});

test("a claim whose page was closed before the response is retried by the next page and counts once", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page } = await stage.buyer(context);
  // The server gets the claim; its answer never arrives, since the page is gone by then.
  await page.routeWebSocket("**/v1/ws", () => undefined);
  await page.route("**/v1/drops/*/claims", async (route) => {
    await route.fetch();
    await page.unroute("**/v1/drops/*/claims");
    // The request that this answers goes down with the page.
    page.reload().catch(() => undefined);
  });
  await openDrop(page, drop);
  await claimButton(page).click();
  await page.getByRole("heading", { name: "Held for you" }).waitFor();
  assert.equal((await stage.standing(drop)).held, 1);
});

test("an offline page says so; a claim made offline is sent once when the connection is back", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page, context: profile } = await stage.buyer(context);
  await openDrop(page, drop);
  await see(page, "1 person is here");
  await profile.setOffline(true);
  await see(page, /^You are offline/);
  await claimButton(page).click();
  await see(page, /^No response yet. The claim is sent again/);
  await profile.setOffline(false);
  await page.getByRole("heading", { name: "Held for you" }).waitFor();
  await page.getByText(/^You are offline/).waitFor({ state: "hidden" });
  assert.equal((await stage.standing(drop)).held, 1);
});

test("the drop is followed without a WebSocket", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page } = await stage.buyer(context);
  await page.routeWebSocket("**/v1/ws", (socket) => socket.close());
  await openDrop(page, drop);
  await see(page, "20 of 20 left");
  const other = await stage.buyer(context);
  await openDrop(other.page, drop);
  await claim(other.page);
  await see(page, "19 of 20 left");
  await claim(page);
  await see(other.page, "18 of 20 left");
});

test("requests to an overloaded server are retried, and the buyer is informed", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page } = await stage.buyer(context);
  await page.routeWebSocket("**/v1/ws", () => undefined);
  let refusals = 0;
  await page.route("**/v1/drops/*/claims", (route) => {
    refusals += 1;
    if (refusals > 2) return route.continue();
    const body = { type: "/problems/overloaded", code: "overloaded", title: "Overloaded", status: 503, detail: "later" };
    return route.fulfill({ status: 503, headers: { "retry-after": "1", "content-type": "application/problem+json" }, body: JSON.stringify(body) });
  });
  await openDrop(page, drop);
  await claimButton(page).click();
  await see(page, /^A very large number of buyers are claiming/);
  await page.getByRole("heading", { name: "Held for you" }).waitFor();
  assert.equal(refusals, 3);
});

test("a session that was ended elsewhere is reported, and a guest session starts only by choice", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page } = await stage.buyer(context);
  await openDrop(page, drop);
  await claim(page);
  const session = await page.evaluate(() => JSON.parse(localStorage.getItem("fusion.session") ?? "{}"));
  await stage.shop.ask("DELETE", "/v1/sessions/current", undefined, session.token);
  await claimButton(page).click();
  await see(page, "Your session has ended");
  assert.equal(await page.evaluate(() => localStorage.getItem("fusion.session")), null);
  await button(page, "Continue as a guest").click();
  await claim(page);
  assert.equal((await stage.standing(drop)).held, 2);
});

test("pages reconnect to a restarted server and show its state", TEST, async (context) => {
  const drop = await stage.shop.drop({ sizes: { M: 3 } });
  const [holder, watcher] = await Promise.all([stage.buyer(context), stage.buyer(context)]);
  await Promise.all([openDrop(holder.page, drop), openDrop(watcher.page, drop)]);
  await claim(holder.page);
  await see(watcher.page, "2 of 3 left");
  await toCheckout(holder.page);
  await fillAddress(holder.page, "kim@example.com");

  await stage.shop.kill("SIGKILL");
  await see(watcher.page, /^Reconnecting/);
  await claimButton(watcher.page).click();
  await see(watcher.page, /^No response yet. The claim is sent again/);
  await pay(holder.page);
  await see(holder.page, /^No response from the server/);
  await stage.shop.start();

  await watcher.page.getByRole("heading", { name: "Held for you" }).waitFor();
  await confirmed(holder.page);
  await watcher.page.getByText(/^Reconnecting/).waitFor({ state: "hidden" });
  await see(watcher.page, "Sold 1 of 3");
  await see(watcher.page, "1 of 3 left");
  const now = await eventually(async () => {
    const seen = await stage.standing(drop);
    return seen.sold === 1 && seen;
  }, "the server agrees");
  assert.deepEqual([now.available, now.held, now.sold], [1, 1, 1]);
});
