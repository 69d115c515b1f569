// Holds: who gets one, for how long, and that nobody gets one too many.

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, setting, TEST } from "./harness/setting.mjs";
import { button, chooseCard, claim, claimButton, confirmed, fillAddress, link, openDrop, pay, see, toCheckout } from "./harness/steps.mjs";

const stage = setting();

const isHeld = (/** @type {import("playwright-core").Page} */ page) => page.getByRole("heading", { name: "Held for you" });

test("the last unit goes to one buyer; the other sees that it may return, then that it is sold out", TEST, async (context) => {
  const drop = await stage.shop.drop({ sizes: { M: 1 } });
  const buyers = await Promise.all([stage.buyer(context), stage.buyer(context)]);
  await Promise.all(buyers.map(({ page }) => openDrop(page, drop)));
  await Promise.all(buyers.map(({ page }) => see(page, "2 people are here")));
  // At once, in each page's own time: a click of the test's would come one after the other.
  const at = Date.now() + 300;
  await Promise.all(
    buyers.map(({ page }) =>
      page.evaluate(async (moment) => {
        await new Promise((done) => setTimeout(done, moment - Date.now()));
        const claim = [...document.querySelectorAll("button")].find((one) => one.ariaLabel?.startsWith("Claim M"));
        claim?.click();
      }, at),
    ),
  );
  const winner = await eventually(async () => {
    const held = await Promise.all(buyers.map(({ page }) => isHeld(page).isVisible()));
    const at = held.indexOf(true);
    return at >= 0 && { page: buyers[at]?.page, other: buyers[1 - at]?.page };
  }, "another buyer holds it");
  assert.ok(winner.page && winner.other);
  await see(winner.other, "All units are held at the moment");
  assert.equal(await isHeld(winner.other).isVisible(), false);
  assert.deepEqual(await stage.standing(drop).then(({ available, held }) => [available, held]), [0, 1]);

  await toCheckout(winner.page);
  await fillAddress(winner.page, "first@example.com");
  await pay(winner.page);
  await confirmed(winner.page);
  await see(winner.other, "All units have been sold. Thank you for coming.");
  assert.equal(await claimButton(winner.other).isDisabled(), true);
});

test("a late claim shows whether units may return, and the button becomes active when one does", TEST, async (context) => {
  const drop = await stage.shop.drop({ sizes: { M: 1 } });
  const [first, second] = await Promise.all([stage.buyer(context), stage.buyer(context)]);
  // The second page receives the first's claim after its own tap.
  let isBehind = true;
  await second.page.routeWebSocket("**/v1/ws", (socket) => {
    const server = socket.connectToServer();
    server.onMessage((message) => {
      const frames = [JSON.parse(String(message))].flat().filter(({ op }) => !isBehind || op !== "state");
      if (frames.length > 0) socket.send(JSON.stringify(frames));
    });
  });
  await Promise.all([openDrop(first.page, drop), openDrop(second.page, drop)]);
  await see(second.page, /(person is|people are) here$/);
  await claim(first.page);
  await claimButton(second.page).click();
  await see(second.page, "M is held by other buyers");
  await see(second.page, /^If a hold expires without payment, the unit becomes available/);
  isBehind = false;
  await button(first.page, "Release").click();
  await button(first.page, "Release M").click();
  await see(first.page, "M was released.");
  await claim(second.page);
  assert.equal(await second.page.getByText("M is held by other buyers").isVisible(), false);
});

test("a hold expires on the page, and the unit can be claimed again", TEST, async (context) => {
  const drop = await stage.shop.drop({ hold_seconds: 5 });
  const { page } = await stage.buyer(context);
  await openDrop(page, drop);
  await claim(page);
  const timer = page.locator(".hold-bar [role=timer]");
  assert.match((await timer.textContent()) ?? "", /^0:0[45]$/);
  await see(page, "Your hold has expired");
  await see(page, "M was returned to the drop. If units are available, you can claim again.");
  assert.equal(await isHeld(page).isVisible(), false);
  assert.equal((await stage.standing(drop)).held, 0);
  await claim(page);
});

test("a double click claims once", TEST, async (context) => {
  const drop = await stage.shop.drop({ per_buyer_max: 5 });
  const { page } = await stage.buyer(context);
  /** @type {string[]} */
  const sent = [];
  page.on("request", (request) => request.url().endsWith("/claims") && sent.push(request.method()));
  page.on("websocket", (socket) => {
    socket.on("framesent", ({ payload }) => String(payload).includes("create_claim") && sent.push("command"));
  });
  await openDrop(page, drop);
  await see(page, "1 person is here");
  await claimButton(page).dblclick();
  await isHeld(page).waitFor();
  await claimButton(page).and(page.locator("[aria-disabled=false]")).waitFor();
  assert.equal((await stage.standing(drop)).held, 1);
  assert.equal(sent.length, 1);
  // Another tap, when the answer is there, is another claim.
  await claimButton(page).click();
  await page.getByRole("heading", { name: "2 held for you" }).waitFor();
});

test("the limit is shown, and the buyer's holds stay visible", TEST, async (context) => {
  const drop = await stage.shop.drop({ per_buyer_max: 1 });
  const { page } = await stage.buyer(context);
  await openDrop(page, drop);
  await claim(page);
  await see(page, "You have reached the limit");
  assert.equal(await claimButton(page).isDisabled(), true);
  await isHeld(page).waitFor();
});

test("a second tab shows the hold and continues the payment of the first", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page, openTab } = await stage.buyer(context);
  await openDrop(page, drop);
  const second = await openTab();
  await openDrop(second, drop);
  await claim(page);
  await isHeld(second).waitFor();
  await toCheckout(second);
  await second.getByLabel("Full name").waitFor();

  await toCheckout(page);
  await fillAddress(page, "gus@example.com");
  await chooseCard(page, "Payment with authentication");
  await pay(page);
  await page.getByRole("heading", { name: "Your bank asks you to confirm the payment" }).waitFor();

  await fillAddress(second, "gus@example.com");
  await pay(second);
  await see(second, "A payment is open in another tab");
  await button(second, "Continue here").click();
  await button(second, "Confirm payment").click();
  await confirmed(second);
  await confirmed(page);
  assert.equal((await stage.standing(drop)).sold, 1);
});

test("a drop opens by itself, on the server's clock", TEST, async (context) => {
  const { page } = await stage.buyer(context);
  // The browser's clock is seven minutes late, and says nothing about when the drop opens.
  await page.clock.install({ time: Date.now() - 7 * 60_000 });
  const drop = await stage.shop.drop({ opens_in_ms: 8_000 });
  await openDrop(page, drop);
  await see(page, "Not open yet");
  assert.equal(await claimButton(page).isDisabled(), true);
  await see(page, "Opens soon");
  const minutes = page.locator(".countdown-part").nth(1).locator("b");
  assert.equal(await minutes.textContent(), "00", "the countdown does not run on the browser's clock");
  await claimButton(page).and(page.locator(":enabled")).waitFor();
  assert.ok((await stage.standing(drop)).state === "open");
  await claim(page);
});

test("viewers see that a drop has ended, and can still pay for their holds", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page } = await stage.buyer(context);
  await openDrop(page, drop);
  await claim(page);
  await stage.shop.ask("POST", `/v1/drops/${drop.id}/end`);
  await see(page, "This drop has ended");
  assert.equal(await claimButton(page).isDisabled(), true);
  await toCheckout(page);
  await fillAddress(page, "hal@example.com");
  await pay(page);
  await confirmed(page);
});

test("a drop for customers requires an account, and the hold belongs to it", TEST, async (context) => {
  const drop = await stage.shop.drop({ audience: "customers" });
  const { page } = await stage.buyer(context);
  await openDrop(page, drop);
  await see(page, "An account is required");
  assert.equal(await claimButton(page).isDisabled(), true);
  await page.locator(".notice").getByRole("link", { name: "Sign in" }).click();
  await button(page, "No account yet? Create one").click();
  await page.getByLabel("E-mail").fill("ida@example.com");
  await page.getByLabel("Password").fill("a good password");
  await button(page, "Create account").click();
  await claim(page);
  await link(page, "Account").waitFor();
});
