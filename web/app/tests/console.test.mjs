// The vendor's console: a drop from its plan to its end, and a catalogue file with bad rows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { violations } from "./harness/axe.mjs";
import { PHONE, shoot, tooWide } from "./harness/looks.mjs";
import { eventually, setting, TEST } from "./harness/setting.mjs";
import { button, claim, claimButton, enterConsole, link, see } from "./harness/steps.mjs";

/** @typedef {import("./harness/browser.mjs").Page} Page */

const stage = setting();

const enter = (/** @type {Page} */ page, /** @type {string} */ path) => enterConsole(page, path, stage.shop.vendor);

/** A number of the dashboard, by its name. */
function figure(/** @type {Page} */ page, /** @type {string} */ name) {
  return page.locator(".figures > div", { has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) }).locator("dd").first();
}

async function becomes(/** @type {Page} */ page, /** @type {string} */ name, /** @type {string} */ value) {
  await figure(page, name).filter({ hasText: new RegExp(`^${value}$`) }).waitFor();
}

test("a vendor schedules a drop, watches it live, and ends it", TEST, async (context) => {
  const vendor = await stage.buyer(context);
  const page = vendor.page;
  await enter(page, "/console/drops/new");
  await page.getByLabel("Find a product").fill("Stoneware Mug");
  await button(page, /^Stoneware Mug/).click();
  await page.getByRole("group", { name: "Starts" }).getByLabel("At a set time").check();
  await page.getByLabel("Title").fill("Mugs at dawn");
  const size = (await page.locator(".drop-item legend").first().textContent()) ?? "";
  const chosen = page.locator(".drop-item").first();
  await chosen.getByRole("checkbox").check();
  await chosen.getByLabel("Units", { exact: true }).fill("3");
  await page.getByLabel("Maximum units per buyer").fill("2");
  await button(page, "Schedule").click();
  await page.getByRole("heading", { name: "Mugs at dawn" }).waitFor();
  await see(page, "Scheduled");
  const id = /\/console\/drops\/([^/]+)$/.exec(page.url())?.[1] ?? "";
  const planned = await stage.standing({ id });
  assert.equal(planned.state, "scheduled");

  const buyer = await stage.buyer(context);
  await buyer.page.goto(`/drops/${id}`);
  await see(buyer.page, "Not open yet");

  // Who knows how long dawn takes: it is brought forward.
  const answer = await fetch(`${stage.shop.url}/v1/drops/${id}`, {
    method: "PATCH",
    headers: { authorization: `Bearer ${stage.shop.vendor}`, "content-type": "application/json", "if-match": `"${planned.version}"` },
    body: JSON.stringify({ starts_at: new Date(Date.now() + 1_500).toISOString() }),
  });
  assert.equal(answer.status, 200, await answer.text());
  await buyer.page.locator(".size-action button:enabled").first().waitFor();
  await page.locator(".badge", { hasText: /^Open$/ }).waitFor();

  await becomes(page, "Held", "0");
  await claim(buyer.page, size);
  await becomes(page, "Held", "1");
  await becomes(page, "Available", "2");
  await page.locator(".claims").getByText("Held").first().waitFor();

  await button(page, "End now").click();
  await page.getByRole("dialog", { name: "End Mugs at dawn now?" }).getByRole("button", { name: "End now" }).click();
  await see(page, "Ended");
  await see(buyer.page, "This drop has ended");
  assert.equal(await claimButton(buyer.page, size).isDisabled(), true);
  const ended = await stage.standing({ id });
  assert.deepEqual([ended.state, ended.held], ["ended", 1]);
});

test("valid rows of a file are imported and invalid rows are listed", TEST, async (context) => {
  const { page } = await stage.buyer(context);
  await enter(page, "/console/import");
  const table = [
    "Handle,Title,Vendor,Type,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty",
    "tin-kettle,Tin Kettle,Kiln Yard,Kitchen,Title,Default Title,KY-TIN,39.00,12",
    "bent-spoon,Bent Spoon,Kiln Yard,Kitchen,Title,Default Title,KY-BENT,not a price,5",
    "twin-kettle,Twin Kettle,Kiln Yard,Kitchen,Title,Default Title,KY-TIN,41.00,3",
  ].join("\n");
  await page.locator("input[type=file]").setInputFiles({ name: "kitchen.csv", mimeType: "text/csv", buffer: Buffer.from(table) });
  await button(page, "Start dry run").click();
  await see(page, "Dry run complete. Nothing has changed yet.");
  await see(page, "2 rejected rows");
  const refused = page.getByRole("table", { name: "2 rejected rows" }).getByRole("row");
  await refused.filter({ hasText: "3" }).filter({ hasText: /Variant Price/ }).waitFor();
  await refused.filter({ hasText: "4" }).filter({ hasText: /SKU/ }).waitFor();
  assert.deepEqual((await stage.shop.ask("GET", "/v1/products?query=kettle")).items, []);

  await button(page, /^Import$/).click();
  await see(page, "The catalogue was imported.");
  const { items } = await eventually(async () => {
    const found = await stage.shop.ask("GET", "/v1/products?query=kettle");
    return found.items.length > 0 && found;
  }, "the kettle is in the shop");
  assert.deepEqual(items.map((/** @type {any} */ { title }) => title), ["Tin Kettle"]);
  assert.equal((await stage.shop.ask("GET", "/v1/inventory/KY-TIN")).available, 12);
  await link(page, "View products").click();
  await see(page, "Tin Kettle");
});

test("the progress of a long import is shown", TEST, async (context) => {
  const { page } = await stage.buyer(context);
  await enter(page, "/console/import");
  const head = "Handle,Title,Vendor,Type,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty";
  const rows = Array.from({ length: 2_000 }, (_, n) => `bead-${n},Bead ${n},Kiln Yard,Beads,Title,Default Title,BEAD-${n},1.00,1`);
  const table = [head, ...rows].join("\n");
  await page.locator("input[type=file]").setInputFiles({ name: "beads.csv", mimeType: "text/csv", buffer: Buffer.from(table) });
  // A short one is answered with its end, and how fast this machine is must not matter here.
  await page.route("**/v1/imports?*", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), state: "running" } });
  });
  await button(page, "Start dry run").click();
  await page.getByRole("progressbar", { name: /^[\d,]+ rows? read …$/ }).waitFor();
  await see(page, "Dry run complete. Nothing has changed yet.");
  assert.equal(await page.getByRole("progressbar").count(), 0);
  await page.locator("dt", { hasText: "New products" }).locator("xpath=following-sibling::dd[1]").getByText("2,000").waitFor();
});

for (const [size, colorScheme, language, options] of /** @type {const} */ ([
  ["wide", "light", "en", {}],
  ["wide", "dark", "en", {}],
  ["phone", "light", "en", PHONE],
  ["phone", "dark", "pl", { ...PHONE, locale: "pl-PL" }],
])) {
  test(`the console is accessible, ${size}, ${colorScheme}, in ${language}; nothing is wider than the screen`, TEST, async (context) => {
    const drop = await stage.shop.drop({ title: "Console Tee" });
    const { page } = await stage.buyer(context, { colorScheme, reducedMotion: "reduce", ...options });
    const look = async (/** @type {string} */ name) => {
      await shoot(page, `console-${name}-${size}-${colorScheme}-${language}`);
      assert.equal(await page.locator("html").getAttribute("lang"), language);
      assert.deepEqual(await violations(page), [], name);
      assert.deepEqual(await tooWide(page), [], name);
    };
    await page.goto("/console");
    await page.getByRole("heading", { name: /^(Sign in to the console|Zaloguj się do konsoli)$/ }).waitFor();
    await look("sign-in");
    await enter(page, "/console");
    for (const [name, path] of Object.entries({
      home: "",
      orders: "/orders",
      drops: "/drops",
      "drop-new": "/drops/new",
      drop: `/drops/${drop.id}`,
      products: "/products",
      product: `/products/${drop.product_id}`,
      import: "/import",
      stock: "/stock",
    })) {
      await page.goto(`/console${path}`);
      await page.locator("h1").waitFor();
      await page.locator("[aria-busy=true]").first().waitFor({ state: "detached" });
      await look(name);
    }
  });
}
