// How a drop went: kept by the server, drawn when the dashboard is opened, and the same after a refresh.

import assert from "node:assert/strict";
import { test } from "node:test";
import { violations } from "./harness/axe.mjs";
import { PHONE, shoot, tooWide } from "./harness/looks.mjs";
import { eventually, setting, TEST } from "./harness/setting.mjs";
import { enterConsole, see } from "./harness/steps.mjs";

/** @typedef {import("./harness/browser.mjs").Page} Page */

const stage = setting();
const BURST = 200;

/** Two hundred claims as fast as they can be made; all of them, and in which seconds the server had them. */
async function burst(/** @type {{ id: string }} */ drop) {
  const { ask } = stage.shop;
  const sessions = await Promise.all(Array.from({ length: BURST }, () => ask("POST", "/v1/sessions", {}, "")));
  await Promise.all(sessions.map(({ token }) => ask("POST", `/v1/drops/${drop.id}/claims`, { quantity: 1 }, token)));
  return eventually(async () => {
    const { points } = await ask("GET", `/v1/drops/${drop.id}/series`);
    const claims = points.reduce((/** @type {number} */ sum, /** @type {any} */ point) => sum + point.claims, 0);
    return claims === BURST && points.filter((/** @type {any} */ point) => point.claims > 0);
  }, "the series has every claim");
}

/** How many columns of a chart's pixels have a bar, and how high the highest is, as a part of the plot. */
async function bars(/** @type {Page} */ page) {
  return page.locator(".chart", { hasText: "each bar" }).locator("canvas").evaluate((canvas) => {
    if (!(canvas instanceof HTMLCanvasElement)) throw new Error("no canvas");
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = "var(--accent)";
    const wanted = (getComputedStyle(probe).color.match(/\d+/g) ?? []).map(Number);
    probe.remove();
    const { data, width, height } = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).getImageData(0, 0, canvas.width, canvas.height);
    let [columns, highest] = [0, 0];
    for (let x = 0; x < width; x += 1) {
      let rows = 0;
      for (let y = 0; y < height; y += 1) {
        const at = (y * width + x) * 4;
        rows += Number(wanted.every((value, index) => Math.abs((data[at + index] ?? 0) - value) < 12) && (data[at + 3] ?? 0) > 200);
      }
      columns += Number(rows > 2);
      highest = Math.max(highest, rows / height);
    }
    return { columns: columns / devicePixelRatio, highest };
  });
}

/** Whether text touches the edge of a chart: it is cut off there. */
async function clipped(/** @type {Page} */ page) {
  return page.locator(".chart canvas").evaluateAll((canvases) => canvases.flatMap((canvas, index) => {
    if (!(canvas instanceof HTMLCanvasElement)) return [];
    const { width, height } = canvas;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const isDrawn = (/** @type {ImageData} */ { data }) => data.some((value, at) => at % 4 === 3 && value > 40);
    const left = isDrawn(context.getImageData(0, 0, 1, height));
    const right = isDrawn(context.getImageData(width - 1, 0, 1, height));
    const below = isDrawn(context.getImageData(0, height - 1, width, 1));
    return left || right || below ? [{ index, left, right, below }] : [];
  }));
}

for (const [size, options] of /** @type {const} */ ([["desktop", {}], ["phone", PHONE]])) {
  test(`a burst of claims is visible in the chart, also after a reload, and no label is cut off: ${size}`, TEST, async (context) => {
    const drop = await stage.shop.drop({ title: "Rush Tee", sizes: { M: 400 } });
    const { page } = await stage.buyer(context, options);
    await enterConsole(page, `/console/drops/${drop.id}`, stage.shop.vendor);
    await see(page, "No claims yet. The charts begin with the first claim.");
    const points = await burst(drop);
    const peak = Math.max(...points.map((/** @type {any} */ { claims }) => claims));
    const words = new RegExp(`^${BURST} units claimed\\. Peak: ${peak} in 1 second, at `);
    const drawn = async () => {
      await page.getByText(words).waitFor();
      await eventually(async () => (await bars(page)).highest > 0.3, "the burst is drawn");
      const { columns, highest } = await bars(page);
      // A bar of a second is a few pixels wide, and the highest fills the plot.
      assert.ok(columns <= points.length * 12 + 2, `${columns} columns for ${points.length} seconds`);
      assert.ok(highest > 0.5, `${highest} of the height`);
      assert.deepEqual(await clipped(page), []);
      assert.deepEqual(await tooWide(page), []);
    };
    await drawn();
    await shoot(page, `series-${size}`);

    await page.reload();
    await drawn();
    await page.getByRole("radio", { name: "whole drop" }).check();
    await page.getByText(/each bar: \d+ seconds?/).waitFor();
    await drawn();
    await page.getByText("Minute by minute, as a table").click();
    const rows = page.getByRole("table", { name: "Progress" }).getByRole("row");
    // The first column is the time, the second the units claimed.
    const claimed = await rows.locator("> :nth-child(2)").allTextContents();
    assert.equal(claimed.reduce((sum, text) => sum + Number(text.replace(/\D/g, "")), 0), BURST, String(claimed));
    await shoot(page, `series-${size}-after-refresh`);
    assert.deepEqual(await violations(page), []);
  });
}

test("the newest claims show their time and masked buyer, also after a reload", TEST, async (context) => {
  const drop = await stage.shop.drop({ title: "Quiet Tee" });
  const { ask } = stage.shop;
  const guest = await ask("POST", "/v1/sessions", {}, "");
  const email = `kim.${drop.id.toLowerCase()}@example.com`;
  const before = await ask("POST", "/v1/sessions", {}, "");
  const customer = await ask("POST", "/v1/accounts", { email, password: "correct horse battery" }, before.token);
  for (const { token } of [guest, customer]) await ask("POST", `/v1/drops/${drop.id}/claims`, { quantity: 1 }, token);
  const { page } = await stage.buyer(context);
  await enterConsole(page, `/console/drops/${drop.id}`, stage.shop.vendor);
  for (const _ of ["opened", "refreshed"]) {
    const rows = page.locator(".claims").getByRole("row");
    await rows.filter({ hasText: "k…@example.com" }).waitFor();
    await rows.filter({ hasText: `Guest …${guest.subject.slice(-4)}` }).waitFor();
    const [made] = (await ask("GET", `/v1/drops/${drop.id}/claims`)).items;
    assert.equal(await page.locator(".claims time").first().getAttribute("datetime"), made.created_at);
    assert.equal(await page.getByText("kim.").count(), 0);
    await page.reload();
  }
});

test("an ended drop shows its complete chart, and a drop without claims says so", TEST, async (context) => {
  const [wanted, unwanted] = [await stage.shop.drop({ title: "Gone Tee" }), await stage.shop.drop({ title: "Odd Tee" })];
  const { ask } = stage.shop;
  const { token } = await ask("POST", "/v1/sessions", {}, "");
  await ask("POST", `/v1/drops/${wanted.id}/claims`, { quantity: 2 }, token);
  for (const { id } of [wanted, unwanted]) await ask("POST", `/v1/drops/${id}/end`);
  const { page } = await stage.buyer(context);
  await enterConsole(page, `/console/drops/${wanted.id}`, stage.shop.vendor);
  await see(page, /^2 units claimed\. Peak: 2 in 1 second/);
  await eventually(async () => (await bars(page)).highest > 0.3, "its claims are drawn");
  assert.equal(await page.getByRole("radio", { name: "whole drop" }).isChecked(), true);
  await page.goto(`/console/drops/${unwanted.id}`);
  await see(page, "There were no claims in this drop.");
});
