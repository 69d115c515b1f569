// A shop that asks accounts for a verified address; and passwords that it does not take.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, setting, TEST } from "./harness/setting.mjs";
import { button, claim, claimButton, link, openDrop, see } from "./harness/steps.mjs";

/** @typedef {import("./harness/browser.mjs").Page} Page */

const stage = setting(async () => ({ flags: ["--require-verified-email"] }));

async function signUp(/** @type {Page} */ page, /** @type {string} */ email, password = "a good password") {
  await page.goto("/account?new");
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await button(page, "Create account").click();
}

/** The paths that mails to `address` link to, once there are so many. */
async function links(/** @type {string} */ address, /** @type {number} */ count) {
  const outbox = join(stage.shop.folder, "outbox");
  return eventually(async () => {
    const found = [];
    for (const name of await readdir(outbox).catch(() => /** @type {string[]} */ ([]))) {
      if (!name.endsWith(".eml")) continue;
      const mail = (await readFile(join(outbox, name), "utf8")).replace(/=\r?\n/g, "").replace(/=3D/g, "=");
      const path = mail.includes(address) && /https?:\/\/[^/\s]+(\/verify#token=[^\s"<]+)/.exec(mail);
      if (path) found.push(path[1] ?? "");
    }
    return found.length >= count && found;
  }, `${count} links to ${address} are in the outbox`);
}

test("an account verifies its address by the mailed link, then claims", TEST, async (context) => {
  const drop = await stage.shop.drop();
  const { page, openTab } = await stage.buyer(context);
  await signUp(page, "vera@example.com");
  await see(page, "Please verify your e-mail address");
  await see(page, /We have sent a link to vera@example\.com/);
  const [first] = await links("vera@example.com", 1);

  await openDrop(page, drop);
  await claimButton(page).click();
  await see(page, "Follow the link in the e-mail that we sent you, then try again.");
  await button(page, "Send another link").click();
  await see(page, "We have sent a new link.");
  await links("vera@example.com", 2);

  const tab = await openTab();
  await tab.goto(first ?? "");
  await see(tab, "Your address is verified");
  await see(tab, "You can now claim and pay.");
  assert.equal(await tab.getByText("Please verify your e-mail address").count(), 0);
  await tab.reload();
  await see(tab, "It was already verified.");

  await openDrop(page, drop);
  await claim(page);
  assert.equal(await page.getByText("Please verify your e-mail address").count(), 0);
});

test("an expired link says so, in both languages, with the next step", TEST, async (context) => {
  const { page } = await stage.buyer(context);
  for (const path of ["/verify#token=0123456789abcdef", "/verify"]) {
    await page.goto("/");
    await page.goto(path);
    await see(page, "This link is no longer valid");
    await link(page, "Sign in").first().waitFor();
  }
  const polish = await stage.buyer(context, { locale: "pl-PL" });
  await polish.page.goto("/verify#token=0123456789abcdef");
  await see(polish.page, "Ten link jest już nieważny");
});

test("a common password is refused at its field, in both languages", TEST, async (context) => {
  const { page } = await stage.buyer(context);
  await signUp(page, "wanda@example.com", "Password123!");
  await see(page, "This password is too common. Choose another one.");
  await page.getByLabel("Password").fill("wanda@example.com");
  await button(page, "Create account").click();
  await see(page, /This password is too easy to guess/);
  const polish = await stage.buyer(context, { locale: "pl-PL" });
  await polish.page.goto("/account?new");
  await polish.page.getByLabel("E-mail").fill("wanda@example.com");
  await polish.page.getByLabel("Hasło").fill("qwerty123");
  await button(polish.page, "Załóż konto").click();
  await see(polish.page, /To hasło jest zbyt popularne/);
});

test("after wrong passwords the page shows when to try again and the link to reset the password", TEST, async (context) => {
  const { page } = await stage.buyer(context);
  // What the server answers then, without the minutes that it takes to get there.
  await page.route("**/v1/sessions", async (route) => {
    if (!route.request().postData()?.includes("password")) return route.continue();
    const problem = { type: "/problems/too_many_attempts", code: "too_many_attempts", title: "Too many failed sign-in attempts", status: 429 };
    await route.fulfill({
      status: 429,
      headers: { "content-type": "application/problem+json", "retry-after": "480" },
      body: JSON.stringify({ ...problem, detail: "Too many failed sign-in attempts", retry_after: 480 }),
    });
  });
  await page.goto("/account");
  await page.getByLabel("E-mail").fill("wally@example.com");
  await page.getByLabel("Password").fill("not the password");
  await button(page, "Sign in").click();
  await see(page, "Too many failed sign-in attempts. Try again in 8 minutes, or set a new password by e-mail now.");
  await link(page, "Forgotten your password?").waitFor();
});
