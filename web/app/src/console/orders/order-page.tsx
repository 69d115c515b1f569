/** The page of an order: goods, payments, shipping, and the actions on each. */
import type { Money, Order } from "@fusioncommerce/client";
import { useEffect, useRef, useState } from "preact/hooks";
import type { PageProps } from "../../app";
import { countryName } from "../../checkout/countries";
import { money, t } from "../../i18n";
import { mailAddress } from "../../ui/mail-address";
import { Notice } from "../../ui/notice";
import { useLoad } from "../../ui/use-load";
import { read } from "../asking";
import { liveLine } from "../client";
import { dayTime, wholeNumber } from "../format";
import { GoodsBadge, PaymentBadge } from "../ui/badges";
import { Waiting } from "../ui/list-state";
import { PageHead } from "../ui/page-head";
import { PageTrouble } from "../ui/page-trouble";
import { Rows } from "../ui/rows";
import { ct } from "../words";
import { OrderDialog, type OrderAction } from "./order-dialogs";
import { Parcels } from "./parcels";
import { LineOptions } from "./units";

export function OrderPage({ params }: PageProps) {
  const id = params["id"] ?? "";
  const { value, error, retry } = useLoad(id, () => read("get_order", { params: { id } }));
  if (error !== undefined)
    return <PageTrouble error={error} onRetry={retry} up={{ href: "/console/orders", label: ct("nav.orders") }} />;
  return value ? <OrderSheet loaded={value} /> : <Waiting />;
}

function OrderSheet({ loaded }: { loaded: Order }) {
  const [order, setOrder] = useState(loaded);
  const [action, setAction] = useState<OrderAction>();
  const [done, setDone] = useState<string>();
  const result = useRef<HTMLDivElement>(null);
  useEffect(
    () =>
      liveLine()
        .topic(`order:${loaded.id}`)
        .on({ state: (next) => setOrder(next) }),
    [loaded.id],
  );
  const left = refundable(order);
  const isUnsent = order.fulfillment_state === "unfulfilled";
  const isOpen = isUnsent || order.fulfillment_state === "partially_fulfilled";
  const isPaid = order.payment_state === "paid" || order.payment_state === "partially_refunded";
  const button = (which: OrderAction, look: string) => (
    <button class={look} type="button" onClick={() => setAction(which)}>
      {ct(`order.act.${which}`)}
    </button>
  );
  return (
    <>
      <PageHead
        title={ct("order.one", { number: order.number })}
        up={{ href: "/console/orders", label: ct("nav.orders") }}
        badge={
          <>
            <PaymentBadge state={order.payment_state} /> <GoodsBadge state={order.fulfillment_state} />
          </>
        }
        lead={ct("order.placedAt", { time: dayTime(order.placed_at) })}
      >
        {isUnsent && button("cancel", "button second danger-text")}
        {isPaid && left.amount > 0 && button("refund", "button second")}
        {isOpen && isPaid && button("fulfil", "button")}
      </PageHead>
      <div ref={result} tabIndex={-1} class="order-result">
        {done && (
          <Notice tone="good" title={done}>
            {undefined}
          </Notice>
        )}
      </div>
      <div class="order-columns">
        <div class="order-side">
          <section class="sheet" aria-labelledby="goods-head">
            <h2 id="goods-head">{ct("order.goodsHead")}</h2>
            <Goods order={order} />
          </section>
          <section class="sheet" aria-labelledby="way-head">
            <h2 id="way-head">{ct("order.wayHead")}</h2>
            <Way order={order} />
          </section>
          {order.fulfillments.length > 0 && (
            <section class="sheet" aria-labelledby="parcels-head">
              <h2 id="parcels-head">{ct("order.parcelsHead")}</h2>
              <Parcels
                order={order}
                onDone={(next, words) => {
                  setOrder(next);
                  setDone(words);
                  result.current?.focus();
                }}
              />
            </section>
          )}
        </div>
        <div class="order-side">
          <section class="sheet" aria-labelledby="money-head">
            <h2 id="money-head">{ct("order.moneyHead")}</h2>
            <Totals order={order} left={left} />
          </section>
          <section class="sheet" aria-labelledby="buyer-head">
            <h2 id="buyer-head">{ct("order.buyer")}</h2>
            <Buyer order={order} />
          </section>
        </div>
      </div>
      {action && (
        <OrderDialog
          action={action}
          order={order}
          left={left}
          onClose={() => setAction(undefined)}
          onDone={(next, words) => {
            setOrder(next);
            setAction(undefined);
            setDone(words);
            result.current?.focus();
          }}
        />
      )}
    </>
  );
}

/** Returns the amount that was paid and not refunded. */
export function refundable({ totals: { total, refunded } }: Order): Money {
  return { amount: total.amount - refunded.amount, currency: total.currency };
}

function Goods({ order }: { order: Order }) {
  const isPartly = order.lines.some((line) => line.fulfilled_quantity > 0 || line.refunded_quantity > 0);
  return (
    <Rows
      caption={ct("order.goodsHead")}
      tight
      items={order.lines}
      keyOf={(line) => line.id}
      columns={[
        {
          label: ct("live.item"),
          cell: (line) => (
            <>
              {line.product_id ? <a href={`/console/products/${line.product_id}`}>{line.title}</a> : line.title}
              <LineOptions line={line} />
              <code class="sku small quiet">{line.sku}</code>
            </>
          ),
        },
        { label: ct("drop.units"), numeric: true, cell: ({ quantity }) => wholeNumber(quantity) },
        ...(isPartly
          ? [
              {
                label: ct("order.goods.unfulfilled"),
                numeric: true,
                cell: ({ remaining_quantity }: Order["lines"][number]) => wholeNumber(remaining_quantity),
              },
              {
                label: ct("order.refunded"),
                numeric: true,
                cell: ({ refunded_quantity }: Order["lines"][number]) => wholeNumber(refunded_quantity),
              },
            ]
          : []),
        { label: ct("order.each"), numeric: true, cell: ({ unit_price }) => money(unit_price) },
        {
          label: ct("order.total"),
          numeric: true,
          cell: ({ quantity, unit_price }) => money({ ...unit_price, amount: unit_price.amount * quantity }),
        },
      ]}
    />
  );
}

function Totals({ order: { totals, payment_state }, left }: { order: Order; left: Money }) {
  const row = (label: string, amount: Money, look = "") => (
    <div class={look}>
      <dt>{label}</dt>
      <dd>{money(amount)}</dd>
    </div>
  );
  return (
    <dl class="totals console-totals">
      {row(t("checkout.subtotal"), totals.subtotal)}
      {row(t("checkout.shipping"), totals.shipping)}
      {totals.tax.amount > 0 && row(t("checkout.tax"), totals.tax)}
      {row(t("checkout.total"), totals.total, "total")}
      {totals.refunded.amount > 0 && row(ct("order.refunded"), { ...totals.refunded, amount: -totals.refunded.amount })}
      {totals.refunded.amount > 0 && payment_state !== "failed" && row(ct("order.left"), left)}
    </dl>
  );
}

function Way({ order }: { order: Order }) {
  const steps: [label: string, at: string | undefined][] = [
    [ct("order.placed"), order.placed_at],
    [ct("order.paid"), order.paid_at],
    order.cancelled_at
      ? [ct("order.goods.cancelled"), order.cancelled_at]
      : [ct("order.goods.fulfilled"), order.fulfilled_at],
  ];
  return (
    <dl class="pairs">
      {steps.map(([label, at]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{at ? <time dateTime={at}>{dayTime(at)}</time> : <span class="quiet">{ct("order.notYet")}</span>}</dd>
        </div>
      ))}
    </dl>
  );
}

function Buyer({ order }: { order: Order }) {
  const to = order.shipping_address as Record<string, string | undefined> | undefined;
  if (!order.email && !to) return <p class="quiet">{ct("order.erased")}</p>;
  const named = (order.shipping_lines ?? []).map((line) => (line === to?.["country"] ? countryName(line) : line));
  const lines = [...named, to?.["phone"]].filter(Boolean);
  return (
    <>
      {order.email && (
        <p class="breakable">
          <a href={mailAddress(order.email)}>{order.email}</a>
        </p>
      )}
      <address>
        {lines.map((words) => (
          <p key={words}>{words}</p>
        ))}
      </address>
    </>
  );
}
