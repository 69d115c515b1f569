// What a link shows where it is shared, and what an address answers, to who runs no script.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setting, TEST } from "./harness/setting.mjs";
import { claimButton, see } from "./harness/steps.mjs";

const stage = setting();

/** As those who make previews ask. */
async function ask(/** @type {string} */ path) {
  const answer = await fetch(stage.shop.url + path, { headers: { accept: "*/*", "user-agent": "facebookexternalhit/1.1" }, redirect: "manual" });
  const html = await answer.text();
  const said = (/** @type {string} */ name) => new RegExp(`<meta (?:property|name)="${name}" content="([^"]*)"`).exec(html)?.[1];
  return { status: answer.status, location: answer.headers.get("location"), html, said };
}

async function product(/** @type {Record<string, unknown>} */ also = {}) {
  const token = Math.random().toString(36).slice(2, 8);
  return stage.shop.ask("POST", "/v1/products", {
    title: "Tea & \"Toast\"",
    handle: `tea-toast-${token}`,
    description_html: "<p>Warm, <em>always</em>.</p><p>Since 1911.</p>",
    variants: [{ sku: `TEA-${token}`, price: { amount: 1950, currency: "USD" } }],
    images: [{ src: "https://pictures.example/tea.jpg?w=1&h=2", alt: "" }],
    ...also,
  });
}

test("a product's preview has its title, description, picture and price, at the URL with its handle", TEST, async () => {
  const { id, handle } = await product();
  for (const path of [`/products/${id}`, `/products/${handle}-${id}`]) {
    const { status, html, said } = await ask(path);
    assert.equal(status, 200);
    assert.match(html, /<title>Tea &amp; &quot;Toast&quot; · FusionCommerce<\/title>/);
    assert.equal(said("og:title"), "Tea &amp; &quot;Toast&quot;");
    assert.equal(said("description"), "Warm, always . Since 1911.");
    assert.equal(said("og:description"), said("description"));
    assert.equal(said("og:image"), "https://pictures.example/tea.jpg?w=1&amp;h=2");
    assert.equal(said("og:url"), `${stage.shop.url}/products/${handle}-${id}`);
    assert.deepEqual([said("product:price:amount"), said("product:price:currency")], ["19.50", "USD"]);
    assert.equal(html.match(/<title>/g)?.length, 1);
    assert.equal(html.match(/name="description"/g)?.length, 1);
  }
  const { status, location } = await ask(`/products/${handle}`);
  assert.deepEqual([status, location], [307, `/products/${handle}-${id}`], "its handle alone leads to it");
});

test("a drop's preview shows its items, with the shop's picture if it has none", TEST, async () => {
  const drop = await stage.shop.drop({ title: "Night Market Tee" });
  const { status, said } = await ask(`/drops/${drop.id}`);
  assert.equal(status, 200);
  assert.equal(said("og:title"), "Night Market Tee");
  assert.equal(said("og:description"), "A drop of 20, from 42.00 USD. Printed by hand, once.");
  assert.equal(said("og:url"), `${stage.shop.url}/drops/night-market-tee-${drop.id}`);
  const picture = await fetch(said("og:image") ?? "");
  assert.deepEqual([picture.status, picture.headers.get("content-type")], [200, "image/png"]);
});

test("missing and hidden pages return 404 with the shop's page", TEST, async (context) => {
  const draft = await product({ status: "draft" });
  const { page } = await stage.buyer(context);
  for (const path of ["/nothing-here", "/.env", "/wp-login.php", "/orders/%E0%A4%A", "/drops/01234567890123456789012345", `/products/${draft.id}`]) {
    const { status, html } = await ask(path);
    assert.equal(status, 404, path);
    assert.match(html, /<div id="app">/, path);
    assert.doesNotMatch(html, /Toast/, path);
    const answer = await page.goto(stage.shop.url + path);
    assert.equal(answer?.status(), 404, path);
    await see(page, "Page not found");
  }
});

test("an address with a handle opens the drop", TEST, async (context) => {
  const drop = await stage.shop.drop({ title: "Żółta Łódź" });
  const { page } = await stage.buyer(context);
  await page.goto(`${stage.shop.url}/drops/żółta-łódź-${drop.id}`);
  await claimButton(page).waitFor();
});

test("the examples of the API documentation can be reached and scrolled by keyboard", TEST, async (context) => {
  const { page } = await stage.buyer(context, { viewport: { width: 600, height: 800 } });
  await page.goto(`${stage.shop.url}/docs`);
  await page.locator("pre").first().waitFor();
  const blocks = await page.locator("pre").evaluateAll((all) => all.map((block) => [block.tabIndex, block.getAttribute("aria-label")]));
  assert.ok(blocks.length > 20 && blocks.every(([index, label]) => index === 0 && label), `${blocks.length} blocks`);
});
