import { useEffect, useMemo, useState } from "preact/hooks";
import { t } from "../i18n";
import { cart, cartMissing, leaveCart, loadCart } from "../shop/cart";
import type { LineItem } from "../types";
import { LoadNotice } from "../ui/load-state";
import { Notice } from "../ui/notice";
import { PageTitle } from "../ui/page-title";
import { CheckoutFlow } from "./checkout-flow";
import { CheckoutPanel } from "./checkout-panel";

export function CartCheckoutPage() {
  const flow = useMemo(() => new CheckoutFlow("cart", leaveCart), []);
  const [ready, setReady] = useState(false);
  useEffect(() => {
    void loadCart().then(() => setReady(true));
    return () => flow.dispose();
  }, [flow]);
  useEffect(() => {
    const hasGoods = (cart.value?.lines.length ?? 0) > 0 && cart.value?.checkout_id === undefined;
    if (ready) void flow.resume(hasGoods);
  }, [ready]);

  const inCart = cart.value?.lines ?? [];
  const lines: LineItem[] = inCart.map(({ price, ...line }) => ({ ...line, unit_price: price }));
  const empty = cartMissing.value ? (
    <LoadNotice error={cartMissing.value} onRetry={() => void loadCart()} />
  ) : (
    <Notice
      title={t("cart.empty")}
      actions={
        <a class="button" href="/">
          {t("common.toShop")}
        </a>
      }
    >
      {t("cart.emptyText")}
    </Notice>
  );
  return (
    <div class="page">
      <PageTitle plain={t("checkout.title")} />
      <CheckoutPanel
        flow={flow}
        goods={cart.value && inCart.length > 0 ? { cart_id: cart.value.id } : undefined}
        lines={lines}
        back="/"
        nothing={empty}
      />
    </div>
  );
}
