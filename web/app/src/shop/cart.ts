/** The buyer's cart: stored on the server, found by its id, the same in every tab. */
import { computed, signal } from "@preact/signals";
import { asShopError, call, type ShopError } from "../api";
import { askOnce } from "../pending";
import { forget, keep, onChangedElsewhere, recall } from "../storage";
import type { Cart, CartLine } from "../types";

export const cart = signal<Cart>();
export const cartOpen = signal(false);
export const cartBusy = signal(false);
export const cartError = signal<ShopError>();
/** The reason for which the contents of the cart are not known. */
export const cartMissing = signal<ShopError>();
export const cartCount = computed(() => (cart.value?.lines ?? []).reduce((sum, line) => sum + line.quantity, 0));

export async function loadCart(): Promise<void> {
  const id = recall<string>("cart");
  if (!id) {
    cart.value = undefined;
    return;
  }
  try {
    cart.value = await call("get_cart", { params: { id } });
    cartMissing.value = undefined;
  } catch (thrown) {
    const error = asShopError(thrown);
    // A missing cart was bought, or belonged to a session that has ended.
    if (error.code === "not_found") leaveCart();
    // A cart that could not be read is not empty.
    else if (!cart.value) cartMissing.value = error;
  }
}

onChangedElsewhere("cart", () => void loadCart());
onChangedElsewhere("cart.changed", () => void loadCart());

/** Forgets the cart after a purchase: the next item starts a new one. */
export function leaveCart(): void {
  forget("cart");
  cart.value = undefined;
  cartMissing.value = undefined;
}

export async function addToCart(sku: string, quantity: number): Promise<void> {
  await changed(async () => {
    const id = await cartId();
    return askOnce("add_cart_line", { place: `line.${sku}`, params: { id }, body: { sku, quantity } });
  });
}

export async function changeQuantity(line: CartLine, quantity: number): Promise<void> {
  const id = cart.value?.id;
  if (!id || cartBusy.value) return;
  await changed(async () => {
    const params = { id, line_id: line.id };
    if (quantity > 0) return askOnce("update_cart_line", { place: `line.${line.id}`, params, body: { quantity } });
    await askOnce("remove_cart_line", { place: `line.${line.id}.gone`, params });
    return call("get_cart", { params: { id } });
  }).catch(() => undefined);
}

async function cartId(): Promise<string> {
  const known = cart.value?.id ?? recall<string>("cart");
  if (known) return known;
  const fresh = await askOnce("create_cart", { place: "cart", body: {} });
  keep("cart", fresh.id);
  return fresh.id;
}

async function changed(work: () => Promise<Cart>): Promise<void> {
  cartBusy.value = true;
  cartError.value = undefined;
  try {
    cart.value = await work();
    keep("cart.changed", Date.now());
  } catch (thrown) {
    const error = asShopError(thrown);
    cartError.value = error;
    if (error.code === "not_found" || error.code === "not_active") leaveCart();
    throw error;
  } finally {
    cartBusy.value = false;
  }
}

void loadCart();
