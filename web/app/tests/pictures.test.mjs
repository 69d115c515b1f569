// Pictures: all of a product's, each in its own proportions, and the one of the variant that was chosen.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PHONE, shoot } from "./harness/looks.mjs";
import { setting, TEST } from "./harness/setting.mjs";
import { button, confirmed, fillAddress, link, pay, toCheckout } from "./harness/steps.mjs";

const stage = setting();

/** A portrait with a head above, a landscape, and a square, drawn here. */
const PICTURES = {
  portrait: `<svg xmlns="http://www.w3.org/2000/svg" width="300" height="900"><rect width="300" height="900" fill="#c9b9a0"/><circle cx="150" cy="110" r="70" fill="#7a3b2e"/><rect x="70" y="190" width="160" height="600" fill="#285c4d"/></svg>`,
  landscape: `<svg xmlns="http://www.w3.org/2000/svg" width="900" height="300"><rect width="900" height="300" fill="#b5cdd2"/><rect x="300" y="60" width="300" height="200" fill="#1f5d69"/></svg>`,
  square: `<svg xmlns="http://www.w3.org/2000/svg" width="300" height="300"><rect width="300" height="300" fill="#e8e3cd"/><circle cx="150" cy="150" r="90" fill="#7a6420"/></svg>`,
};

async function product() {
  const token = Math.random().toString(36).slice(2, 8);
  const sku = (/** @type {string} */ colour) => `COAT-${token}-${colour.slice(0, 1)}`;
  const image = (/** @type {string} */ name, /** @type {string} */ alt, /** @type {string[]} */ ...colours) => ({
    src: `https://pictures.example/${name}.svg`,
    alt,
    variant_skus: colours.map(sku),
  });
  const price = { amount: 9900, currency: "USD" };
  return stage.shop.ask("POST", "/v1/products", {
    title: "Long Coat",
    handle: `long-coat-${token}`,
    options: ["Colour"],
    variants: ["Moss green", "Slate"].map((colour) => ({ sku: sku(colour), options: [colour], price })),
    // What is said of a picture tells nobody which variant it shows.
    images: [image("portrait", "Not slate", "Moss green"), image("landscape", "The lining"), image("square", "Folded", "Slate")],
  });
}

async function drawPictures(/** @type {import("./harness/browser.mjs").Page} */ page) {
  await page.route("https://pictures.example/**", (route) => {
    const name = /** @type {keyof typeof PICTURES} */ (route.request().url().replace(/^.*\/|\.svg$/g, ""));
    return route.fulfill({ contentType: "image/svg+xml", body: PICTURES[name] });
  });
}

for (const [screen, options] of /** @type {const} */ ([
  ["desktop", {}],
  ["phone", PHONE],
])) {
  test(`on a ${screen} a gallery shows every picture whole, and the chosen variant's own`, TEST, async (context) => {
    const { id } = await product();
    const { page } = await stage.buyer(context, options);
    await drawPictures(page);
    await page.goto(`/products/${id}`);
    const shown = page.locator(".gallery > .picture");
    const isShown = (/** @type {string} */ name) => page.locator(`.gallery > .picture[src$="${name}.svg"]`).waitFor();
    await isShown("portrait");
    const before = await shown.boundingBox();
    assert.equal(await shown.evaluate((image) => getComputedStyle(image).objectFit), "contain");
    assert.equal(await page.locator(".thumb").count(), 3);
    await page.getByRole("button", { name: "Picture 2 of 3" }).click();
    await isShown("landscape");
    assert.deepEqual(await shown.boundingBox(), before, "nothing moves with another picture");
    await page.getByRole("radio", { name: "Slate" }).check();
    await isShown("square");
    await page.getByRole("radio", { name: "Moss green" }).check();
    await isShown("portrait");
    await shoot(page, `gallery-${screen}`);
    await page.goto("/?q=Long+Coat");
    const card = page.locator(".card .picture").first();
    await card.waitFor();
    // Of what does not fit the square the lower part goes.
    const [, upper] = (await card.evaluate((image) => getComputedStyle(image).objectPosition)).split(" ");
    assert.ok(parseFloat(upper ?? "50") < 25, `${upper} of the height`);
    await shoot(page, `portrait-card-${screen}`);
  });
}

test("a drop, the cart, the checkout and the order show the picture of the variant", TEST, async (context) => {
  const { ask } = stage.shop;
  const { id, variants } = await product();
  const skus = variants.map((/** @type {{ sku: string }} */ { sku }) => sku);
  for (const sku of skus) await ask("POST", `/v1/inventory/${sku}/adjustments`, { delta: 9, reason: "for a test" });
  const items = skus.map((/** @type {string} */ sku) => ({ sku, quantity: 3, price: { amount: 9000, currency: "USD" } }));
  const ends_at = new Date(Date.now() + 3_600_000).toISOString();
  const drop = await ask("POST", "/v1/drops", { title: "Coats", product_id: id, items, per_buyer_max: 2, hold_seconds: 300, ends_at });
  const { page } = await stage.buyer(context);
  await drawPictures(page);
  const isShown = (/** @type {string} */ where, /** @type {string} */ name) => page.locator(`${where} .picture[src$="${name}.svg"]`).first().waitFor();

  await page.goto(`/drops/${drop.id}`);
  await button(page, /^Claim Slate for/).hover();
  await isShown(".drop-picture", "square");
  await button(page, /^Claim Moss green for/).focus();
  await isShown(".drop-picture", "portrait");
  await button(page, /^Claim Slate for/).click();
  await page.getByRole("heading", { name: "Held for you" }).waitFor();
  await isShown(".drop-picture", "square");
  await page.reload();
  await isShown(".drop-picture", "square");
  await toCheckout(page);
  await isShown(".goods-line", "square");
  await fillAddress(page, "eve@example.com");
  await pay(page);
  await confirmed(page);
  await isShown(".goods-line", "square");
  await link(page, "Track your order").click();
  await page.getByRole("heading", { name: /^Order / }).waitFor();
  await isShown(".goods-line", "square");

  await page.goto(`/products/${id}`);
  await page.getByRole("radio", { name: "Slate" }).check();
  await button(page, "Add to cart").click();
  await isShown("dialog .goods-line", "square");
});
