import { useEffect, useRef } from "preact/hooks";
import { CAN_PAY } from "../checkout/providers";
import { money, t } from "../i18n";
import { navigate, path } from "../router";
import type { CartLine } from "../types";
import { Icon } from "../ui/icon";
import { errorText, LoadNotice } from "../ui/load-state";
import { Notice } from "../ui/notice";
import { ProductPicture } from "../ui/product-picture";
import { cart, cartBusy, cartError, cartMissing, cartOpen, changeQuantity, loadCart } from "./cart";
import { productPath } from "./addresses";
import { describeLine, pictureAt, pictureOf, productOf, seenOf, usePictures } from "./catalogue";

export function CartDrawer() {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = cartOpen.value;
  const here = path.value;

  useEffect(() => {
    if (open) {
      void loadCart();
      dialog.current?.showModal();
    } else dialog.current?.close();
  }, [open]);
  useEffect(() => {
    cartOpen.value = false;
  }, [here]);

  const close = () => {
    cartOpen.value = false;
  };
  const lines = cart.value?.lines ?? [];
  return (
    <dialog
      ref={dialog}
      class="drawer"
      aria-labelledby="cart-title"
      onClose={close}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <div class="drawer-head">
        <h2 id="cart-title">{t("cart.title")}</h2>
        <button class="icon-button" type="button" aria-label={t("common.close")} onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      <div class="drawer-body">
        {open && <CartLines lines={lines} />}
        {cartError.value && (
          <Notice tone="warn" title={cartProblem(cartError.value.code)} alert>
            {cartError.value.problem?.available !== undefined && t("product.notEnough")}
          </Notice>
        )}
      </div>
      {lines.length > 0 && (
        <div class="drawer-foot">
          <dl class="totals">
            <div class="total">
              <dt>{t("cart.subtotal")}</dt>
              <dd>{cart.value?.subtotal && money(cart.value.subtotal)}</dd>
            </div>
          </dl>
          <p class="small quiet">{t(CAN_PAY ? "cart.note" : "pay.noneTitle")}</p>
          <div class="actions">
            <button class="button wide" type="button" disabled={cartBusy.value} onClick={() => navigate("/checkout")}>
              {t("cart.checkout")}
            </button>
          </div>
        </div>
      )}
    </dialog>
  );
}

function cartProblem(code: string): string {
  if (code === "checkout_in_progress") return t("cart.locked");
  if (code === "insufficient_available" || code === "insufficient_stock" || code === "sold_out") return t("product.notEnough");
  return errorText(cartError.value);
}

function CartLines({ lines }: { lines: CartLine[] }) {
  usePictures(lines.map((line) => line.product_id));
  if (cartMissing.value && lines.length === 0) return <LoadNotice error={cartMissing.value} onRetry={() => void loadCart()} />;
  if (lines.length === 0) {
    return (
      <Notice title={t("cart.empty")}>
        <p>{t("cart.emptyText")}</p>
      </Notice>
    );
  }
  return (
    <ul role="list">
      {lines.map((line) => (
        <Line key={line.id} line={line} />
      ))}
    </ul>
  );
}

function Line({ line }: { line: CartLine }) {
  const busy = cartBusy.value;
  const { title, variant } = describeLine(line);
  const known = productOf(line.product_id);
  const seen = seenOf(line.product_id);
  return (
    <li class="goods-line">
      <ProductPicture product={pictureOf(line.product_id, line.title)} at={pictureAt(known, line.sku) ?? 0} decorative />
      <div>
        <a class="goods-title" href={seen ? productPath(seen) : `/products/${line.product_id}`}>
          {title}
        </a>
        {variant && <p class="small quiet">{variant}</p>}
        <div class="stepper" role="group" aria-label={t("cart.quantity", { title: [title, variant].filter(Boolean).join(" · ") })}>
          <button
            class="icon-button"
            type="button"
            disabled={busy}
            aria-label={line.quantity === 1 ? t("common.remove") : t("cart.less")}
            onClick={() => void changeQuantity(line, line.quantity - 1)}
          >
            <Icon name={line.quantity === 1 ? "close" : "minus"} />
          </button>
          <span class="digits">{line.quantity}</span>
          <button
            class="icon-button"
            type="button"
            disabled={busy}
            aria-label={t("cart.more")}
            onClick={() => void changeQuantity(line, line.quantity + 1)}
          >
            <Icon name="plus" />
          </button>
        </div>
      </div>
      <span class="digits">{money({ ...line.price, amount: line.price.amount * line.quantity })}</span>
    </li>
  );
}
