import { useEffect, useState } from "preact/hooks";
import { call, type ShopError } from "../api";
import type { PageProps } from "../app";
import { LineItems } from "../checkout/summary";
import { money, t, time } from "../i18n";
import { follow } from "../live";
import { location } from "../router";
import type { Money, Order } from "../types";
import { LoadFailed, NotFound } from "../ui/load-state";
import { Notice } from "../ui/notice";
import { PageTitle } from "../ui/page-title";
import { AddressLines } from "./address-lines";

export function OrderPage({ params }: PageProps) {
  const id = params["id"] ?? "";
  // In the fragment, so that the token is sent only in this request.
  const access = new URLSearchParams(location.value.hash.slice(1)).get("access") ?? undefined;
  const [order, setOrder] = useState<Order>();
  const [error, setError] = useState<ShopError>();
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    setError(undefined);
    return follow({
      topic: `order:${id}`,
      read: () => call("get_order", { params: access ? { id, access } : { id } }),
      onState: setOrder,
      onRefused: setError,
    });
  }, [id, access, attempt]);

  if (error && !order) {
    const hidden = ["not_found", "authentication_required", "forbidden", "out_of_range", "invalid_request"].includes(error.code);
    return hidden ? <NotFound text={t("order.notFoundText")} /> : <LoadFailed error={error} onRetry={() => setAttempt(attempt + 1)} />;
  }
  if (!order) return <div class="page narrow" aria-busy="true" />;
  return (
    <div class="page narrow">
      <PageTitle plain={t("order.title", { number: order.number })} />
      <p class="quiet">{t("order.placed", { time: time(order.placed_at) })}</p>
      <Progress order={order} />
      <section class="panel" aria-labelledby="goods">
        <h2 id="goods">{t("checkout.summary")}</h2>
        <LineItems lines={order.lines} />
        <Totals order={order} />
      </section>
      <Delivery order={order} />
      {access && <p class="small quiet after-panel">{t("order.keepLink")}</p>}
    </div>
  );
}

function Progress({ order }: { order: Order }) {
  if (order.cancelled_at) {
    return (
      <div class="panel">
        <Notice tone="warn" title={t("order.cancelled")}>
          {t("order.cancelledText", { time: time(order.cancelled_at) })}
        </Notice>
      </div>
    );
  }
  const paid = order.paid_at !== undefined;
  const sent = order.fulfilled_at !== undefined;
  return (
    <>
      <ol role="list" class="steps" aria-label={t("order.steps")}>
        <li class={paid ? "reached" : ""}>
          {t(paid ? "order.paid" : "order.pending")}
          {order.paid_at && <small>{time(order.paid_at)}</small>}
        </li>
        <li class={paid ? "reached" : ""} {...(paid && !sent ? { "aria-current": "step" as const } : {})}>
          {t("order.packed")}
        </li>
        <li class={sent ? "reached" : ""} {...(sent ? { "aria-current": "step" as const } : {})}>
          {t("order.sent")}
          {order.fulfilled_at && <small>{time(order.fulfilled_at)}</small>}
        </li>
      </ol>
      {order.tracking && <p>{t("order.tracking", { code: order.tracking })}</p>}
    </>
  );
}

function Totals({ order: { totals } }: { order: Order }) {
  const row = (label: string, value: Money, last = false) => (
    <div class={last ? "total" : ""}>
      <dt>{label}</dt>
      <dd>{money(value)}</dd>
    </div>
  );
  return (
    <dl class="totals">
      {row(t("checkout.subtotal"), totals.subtotal)}
      <div>
        <dt>{t("checkout.shipping")}</dt>
        <dd>{totals.shipping.amount === 0 ? t("checkout.free") : money(totals.shipping)}</dd>
      </div>
      {totals.tax.amount > 0 && row(t("checkout.tax"), totals.tax)}
      {row(t("checkout.total"), totals.total, true)}
      {totals.refunded.amount > 0 &&
        row(t(totals.refunded.amount < totals.total.amount ? "order.partlyRefunded" : "order.refunded"), totals.refunded)}
    </dl>
  );
}

function Delivery({ order }: { order: Order }) {
  if (!order.shipping_address) return null;
  return (
    <section class="panel" aria-labelledby="delivery">
      <h2 id="delivery">{t("order.to")}</h2>
      <AddressLines order={order} />
    </section>
  );
}
