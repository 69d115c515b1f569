/** Badges that show a status by a word and a colour. */
import type { Drop, Order, Product } from "@fusioncommerce/client";
import { ct } from "../words";

export function ProductBadge({ status }: { status: Product["status"] }) {
  const tone = status === "active" ? "good" : status === "draft" ? "soon" : "";
  return <span class={`badge ${tone}`}>{ct(`product.status.${status}`)}</span>;
}

export function DropBadge({ state }: { state: Drop["state"] }) {
  const tone = { open: "live", scheduled: "soon", draft: "", sold_out: "good", ended: "", cancelled: "bad" }[state];
  return <span class={`badge ${tone}`}>{ct(`drop.state.${state}`)}</span>;
}

export function PaymentBadge({ state }: { state: Order["payment_state"] }) {
  const tone = { authorized: "soon", paid: "good", partially_refunded: "soon", refunded: "", failed: "bad" }[state];
  return <span class={`badge ${tone}`}>{ct(`order.payment.${state}`)}</span>;
}

export function GoodsBadge({ state }: { state: Order["fulfillment_state"] }) {
  const tone = { unfulfilled: "soon", partially_fulfilled: "soon", fulfilled: "good", cancelled: "" }[state];
  return <span class={`badge ${tone}`}>{ct(`order.goods.${state}`)}</span>;
}
