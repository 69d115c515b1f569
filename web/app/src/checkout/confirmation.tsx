import { useEffect, useRef } from "preact/hooks";
import { money, t } from "../i18n";
import { AddressLines } from "../order/address-lines";
import { session } from "../session";
import type { Checkout, Order } from "../types";
import { Icon } from "../ui/icon";
import { LineItems } from "./summary";

export function Confirmation({ checkout, order }: { checkout: Checkout; order: Order | undefined }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
  }, []);
  return (
    <div class="done">
      <div class="pay-mark">
        <Icon name="check" />
      </div>
      <h2 ref={heading} tabIndex={-1}>
        {t("done.title")}
      </h2>
      <p>
        <span class="quiet small">{t("done.number")}</span>
        <span class="order-number">{order?.number ?? "········"}</span>
      </p>
      <p class="quiet">{order?.email ? t("done.receipt", { email: order.email }) : "\u00a0"}</p>
      <LineItems lines={checkout.lines} />
      {checkout.total && (
        <dl class="totals">
          <div class="total">
            <dt>{t("done.paid")}</dt>
            <dd>{money(checkout.total)}</dd>
          </div>
        </dl>
      )}
      {order?.shipping_address && (
        <div class="done-address">
          <h3>{t("order.to")}</h3>
          <AddressLines order={order} />
        </div>
      )}
      {!session.value?.role && (
        <div class="done-account">
          <p>{t("done.accountText")}</p>
          <a class="button second" href="/account?new=1">
            {t("account.signUp")}
          </a>
        </div>
      )}
      <div class="actions">
        {checkout.order_id && (
          <a class="button" href={orderPath(order, checkout.order_id)}>
            {t("done.follow")}
          </a>
        )}
        <a class="button second" href="/">
          {t("common.toShop")}
        </a>
      </div>
    </div>
  );
}

/** Returns the path of the order with its access token, so that the URL opens the order in any browser. */
function orderPath(order: Order | undefined, id: string): string {
  return `/orders/${id}${order ? new URL(order.access_url).hash : ""}`;
}
