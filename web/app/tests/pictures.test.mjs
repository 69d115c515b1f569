// Pictures: all of a product's, each in its own proportions, and the one of the variant that was chosen.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PHONE, shoot } from "./harness/looks.mjs";
import { setting, TEST } from "./harness/setting.mjs";

const stage = setting();

/** A portrait with a head above, a landscape, and a square, drawn here. */
const PICTURES = {
  portrait: `<svg xmlns="http://www.w3.org/2000/svg" width="300" height="900"><rect width="300" height="900" fill="#c9b9a0"/><circle cx="150" cy="110" r="70" fill="#7a3b2e"/><rect x="70" y="190" width="160" height="600" fill="#285c4d"/></svg>`,
  landscape: `<svg xmlns="http://www.w3.org/2000/svg" width="900" height="300"><rect width="900" height="300" fill="#b5cdd2"/><rect x="300" y="60" width="300" height="200" fill="#1f5d69"/></svg>`,
  square: `<svg xmlns="http://www.w3.org/2000/svg" width="300" height="300"><rect width="300" height="300" fill="#e8e3cd"/><circle cx="150" cy="150" r="90" fill="#7a6420"/></svg>`,
};

async function product() {
  const token = Math.random().toString(36).slice(2, 8);
  const image = (/** @type {string} */ name, /** @type {string} */ alt) => ({ src: `https://pictures.example/${name}.svg`, alt });
  const price = { amount: 9900, currency: "USD" };
  return stage.shop.ask("POST", "/v1/products", {
    title: "Long Coat",
    handle: `long-coat-${token}`,
    options: ["Colour"],
    variants: ["Moss green", "Slate"].map((colour) => ({ sku: `COAT-${token}-${colour.slice(0, 1)}`, options: [colour], price })),
    images: [image("portrait", "Long coat in moss green"), image("landscape", "The lining"), image("square", "Long coat in slate, folded")],
  });
}

for (const [screen, options] of /** @type {const} */ ([
  ["desktop", {}],
  ["phone", PHONE],
])) {
  test(`on a ${screen} a gallery shows every picture whole, and the chosen variant's own`, TEST, async (context) => {
    const { id } = await product();
    const { page } = await stage.buyer(context, options);
    await page.route("https://pictures.example/**", (route) => {
      const name = /** @type {keyof typeof PICTURES} */ (route.request().url().replace(/^.*\/|\.svg$/g, ""));
      return route.fulfill({ contentType: "image/svg+xml", body: PICTURES[name] });
    });
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
