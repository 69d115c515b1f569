// What buyers do on the pages, by what they read there.

/** @typedef {import("./browser.mjs").Page} Page */

/** Waits until these words can be seen. */
export async function see(/** @type {Page} */ page, /** @type {string | RegExp} */ words) {
  await page.getByText(words).filter({ visible: true }).first().waitFor();
}

export function button(/** @type {Page} */ page, /** @type {string | RegExp} */ name) {
  return page.getByRole("button", { name });
}

export function link(/** @type {Page} */ page, /** @type {string | RegExp} */ name) {
  return page.getByRole("link", { name });
}

export function claimButton(/** @type {Page} */ page, /** @type {string} */ size = "M") {
  return button(page, new RegExp(`^Claim ${size} for`));
}

/** Opens a drop, and waits until its buttons are there. */
export async function openDrop(/** @type {Page} */ page, /** @type {{ id: string }} */ drop, size = "M") {
  await page.goto(`/drops/${drop.id}`);
  await claimButton(page, size).waitFor();
}

export async function claim(/** @type {Page} */ page, size = "M") {
  await claimButton(page, size).click();
  await page.getByRole("heading", { name: /Held for you|held for you/ }).waitFor();
}

export async function toCheckout(/** @type {Page} */ page) {
  await link(page, /^(Check out|Continue payment)/).click();
}

export async function fillAddress(/** @type {Page} */ page, email = "ada@example.com") {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Country").selectOption("PL");
  await page.getByLabel("Full name").fill("Ada Lovelace");
  await page.getByLabel("Street and number").fill("12 Analytical Row");
  await page.getByLabel("Postal code").fill("00-950");
  await page.getByLabel("City").fill("Warszawa");
}

export async function chooseCard(/** @type {Page} */ page, /** @type {string} */ name) {
  await page.getByRole("radio", { name: new RegExp(`^${name}`) }).check();
}

export async function pay(/** @type {Page} */ page) {
  await button(page, /^Pay \$/).click();
}

/** Waits for the confirmation, and gives the order's number. */
export async function confirmed(/** @type {Page} */ page) {
  await page.getByRole("heading", { name: "Your order is confirmed" }).waitFor();
  const number = page.locator(".order-number").filter({ hasText: /^[0-9A-HJKMNP-TV-Z]{8}$/ });
  await number.waitFor();
  return (await number.textContent()) ?? "";
}

/** Into the vendor's console, with the token that `fusion serve --dev` printed. */
export async function enterConsole(/** @type {Page} */ page, /** @type {string} */ path, /** @type {string} */ token) {
  await page.goto(path);
  await page.getByText(/^(Use an access token instead|Użyj tokenu dostępu)$/).click();
  await page.getByLabel(/^(Access token|Token dostępu)$/).fill(token);
  await button(page, /^(Sign in with token|Zaloguj się tokenem)$/).click();
}
