// A shop that lacks something: a way to pay, and a mail server that takes its mails.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { startBrowser, newBuyer } from "./harness/browser.mjs";
import { eventually, setting, TEST } from "./harness/setting.mjs";
import { startShop } from "./harness/shop.mjs";
import { claimButton, enterConsole, link, see } from "./harness/steps.mjs";

/** A mail server that knows no mailbox. */
const refusing = createServer((socket) => {
  socket.on("error", () => undefined);
  socket.write("220 mail.example ESMTP\r\n");
  socket.on("data", (data) => {
    const answers = { EHLO: "250 mail.example", MAIL: "250 ok", RCPT: "550 5.1.1 no such mailbox", QUIT: "221 bye" };
    for (const line of data.toString().split("\r\n").filter(Boolean)) {
      socket.write(`${answers[/** @type {keyof typeof answers} */ (line.slice(0, 4).toUpperCase())] ?? "250 ok"}\r\n`);
    }
  });
});

const stage = setting(async () => {
  await new Promise((listening) => refusing.listen(0, "127.0.0.1", () => listening(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (refusing.address());
  return { env: { FUSION_SMTP_URL: `smtp://127.0.0.1:${port}` } };
});
after(() => refusing.close());

test("the console lists undelivered e-mails with the reason", TEST, async (context) => {
  const { ask, vendor } = stage.shop;
  const drop = await stage.shop.drop();
  const { page } = await stage.buyer(context);
  await enterConsole(page, "/console", vendor);
  await page.getByRole("heading", { name: "Orders to ship" }).waitFor();
  assert.equal(await page.getByText(/not been delivered/).count(), 0, "nothing is said while nothing is wrong");

  const { token } = await ask("POST", "/v1/sessions", {}, "");
  const held = await ask("POST", `/v1/drops/${drop.id}/claims`, { quantity: 1 }, token);
  await ask("POST", "/v1/checkouts", {
    claims: [held.id],
    payment: { provider: "sandbox", token: "tok_approve" },
    email: "nobody@example.com",
    shipping_address: { name: "No Body", line1: "1 Lost Lane", city: "Arlington", region: "VA", postal_code: "22201", country: "US" },
  }, token);
  const [mail] = await eventually(async () => {
    const { items } = await ask("GET", "/v1/mails/undelivered");
    return items.length > 0 && items[0].state === "failed" && items;
  }, "the mail fails permanently");
  await page.reload();
  await see(page, "1 mail has not been delivered");
  await see(page, /cannot be delivered: .*no such mailbox/);
  await link(page, "Order receipt").click();
  await page.waitForURL(`**/console/orders/${mail.order_id}`);
});

/** @type {{ shop: import("./harness/shop.mjs").Shop, browser: import("./harness/browser.mjs").Browser }} */
const poor = /** @type {any} */ ({});
before(async () => {
  [poor.shop, poor.browser] = await Promise.all([startShop({ flags: ["--sandbox-payments=false"] }), startBrowser()]);
});
after(async () => {
  await Promise.allSettled([poor.browser?.close(), poor.shop?.stop()]);
});

test("a shop without a way to pay says so before anything is claimed or paid", TEST, async (context) => {
  const drop = await poor.shop.drop({ title: "Harbour Tee" });
  const { page, context: own, faults } = await newBuyer(poor.browser, poor.shop.pages, {});
  context.after(async () => {
    await own.close();
    assert.deepEqual(faults, []);
  });
  await page.goto(`/drops/${drop.id}`);
  await see(page, "This shop does not accept payments yet");
  await claimButton(page).waitFor();
  assert.ok(await claimButton(page).isDisabled(), "nothing can be claimed");
  const sku = `MUG-${drop.id}`;
  const { id } = await poor.shop.ask("POST", "/v1/products", { title: "Harbour Mug", variants: [{ sku, price: { amount: 900, currency: "USD" } }] });
  await poor.shop.ask("POST", `/v1/inventory/${sku}/adjustments`, { delta: 2, reason: "for a test" });
  await page.goto(`/products/${id}`);
  await see(page, "This shop does not accept payments yet");
  await page.getByRole("button", { name: "Add to cart" }).click();
  await page.getByRole("dialog").getByText("This shop does not accept payments yet").waitFor();
  await page.getByRole("button", { name: "Check out" }).click();
  await see(page, "This shop does not accept payments yet");
  assert.equal(await page.getByText("Successful payment").count(), 0, "no test cards");
  assert.ok(await page.getByRole("button", { name: /^Pay/ }).isDisabled(), "nothing can be paid");
});
