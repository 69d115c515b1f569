/** The list of orders, newest first; new orders appear automatically. */
import type { Order } from "@fusioncommerce/client";
import { useEffect, useRef, useState } from "preact/hooks";
import type { PageProps } from "../../app";
import { money } from "../../i18n";
import { location } from "../../router";
import { announce } from "../../ui/announcer";
import { read } from "../asking";
import { liveLine } from "../client";
import { dayTime, wholeNumber } from "../format";
import { GoodsBadge, PaymentBadge } from "../ui/badges";
import { SearchField, Select } from "../ui/fields";
import { ListState } from "../ui/list-state";
import { PageHead } from "../ui/page-head";
import { Rows } from "../ui/rows";
import { usePages, useSettled } from "../ui/use-pages";
import { ct, ctn } from "../words";

const PAGE_SIZE = 50;
/** How long a new row is highlighted. */
const FRESH_MS = 6000;
/** The interval in which new orders are announced together. */
const TELL_MS = 1500;

type Payment = Order["payment_state"] | "";
type Goods = Order["fulfillment_state"] | "";
const PAYMENTS: readonly Payment[] = ["", "authorized", "paid", "partially_refunded", "refunded", "failed"];
const GOODS: readonly Goods[] = ["", "unfulfilled", "partially_fulfilled", "fulfilled", "cancelled"];

/** Returns whether the number, the address, the name or the goods of a new order contain the search text. */
function isFound(order: Order, words: string): boolean {
  const name = order.shipping_address?.["name"];
  const places = [order.number, order.email, name, ...order.lines.flatMap(({ sku, title }) => [sku, title])];
  return places.some((place) => typeof place === "string" && place.toLowerCase().includes(words));
}

export function OrdersPage(_: PageProps) {
  const params = location.value.searchParams;
  const [query, setQuery] = useState(params.get("query") ?? "");
  const [payment, setPayment] = useState<Payment>("");
  const [goods, setGoods] = useState<Goods>((params.get("goods") as Goods | null) ?? "");
  const settled = useSettled(query.trim());
  const pages = usePages(`${settled}|${payment}|${goods}`, (cursor) =>
    read("list_orders", {
      params: {
        limit: PAGE_SIZE,
        ...(settled ? { query: settled } : {}),
        ...(payment ? { payment_state: payment } : {}),
        ...(goods ? { fulfillment_state: goods } : {}),
        ...(cursor ? { cursor } : {}),
      },
    }),
  );
  // The server found the listed orders, and its search accepts more: hyphens in numbers.
  const fits = (order: Order, isListed: boolean) =>
    (isListed || isFound(order, settled.toLowerCase())) &&
    (!payment || order.payment_state === payment) && (!goods || order.fulfillment_state === goods);
  const fresh = useNewOrders(fits, pages.change);

  const filtered = settled !== "" || payment !== "" || goods !== "";
  const showAll = () => (setQuery(""), setPayment(""), setGoods(""));
  return (
    <>
      <PageHead title={ct("nav.orders")} lead={ct("order.lead")} />
      <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <SearchField
          name="order-query"
          label={ct("order.search")}
          value={query}
          onValue={setQuery}
          placeholder={ct("order.searchHint")}
        />
        <Select
          name="payment"
          label={ct("order.payment")}
          value={payment}
          onValue={(value) => setPayment(value as Payment)}
          options={PAYMENTS.map((state) => [state, state ? ct(`order.payment.${state}`) : ct("common.all")] as const)}
        />
        <Select
          name="goods"
          label={ct("order.goods")}
          value={goods}
          onValue={(value) => setGoods(value as Goods)}
          options={GOODS.map((state) => [state, state ? ct(`order.goods.${state}`) : ct("common.all")] as const)}
        />
      </form>
      <ListState
        pages={pages}
        empty={
          filtered
            ? {
                title: ct("order.noneHere"),
                actions: (
                  <button class="button second" type="button" onClick={showAll}>
                    {ct("common.showAll")}
                  </button>
                ),
              }
            : {
                title: ct("order.none"),
                text: ct("order.noneText"),
                actions: (
                  <a class="button" href="/console/drops/new">
                    {ct("drop.new")}
                  </a>
                ),
              }
        }
      >
        {(orders) => <OrderRows orders={orders} fresh={fresh} />}
      </ListState>
    </>
  );
}

export function OrderRows({ orders, fresh }: { orders: Order[]; fresh?: ReadonlySet<string> }) {
  return (
    <Rows
      caption={ct("nav.orders")}
      items={orders}
      keyOf={({ id }) => id}
      fresh={({ id }) => fresh?.has(id) ?? false}
      columns={[
        {
          label: ct("order.number"),
          cell: ({ id, number }) => (
            <a class="digits order-link" href={`/console/orders/${id}`}>
              {number}
            </a>
          ),
        },
        { label: ct("order.placed"), cell: ({ placed_at }) => <time dateTime={placed_at}>{dayTime(placed_at)}</time> },
        {
          label: ct("order.buyer"),
          wide: true,
          cell: ({ email }) => (
            <span class="breakable">{email ?? <span class="quiet">{ct("order.erased")}</span>}</span>
          ),
        },
        {
          label: ct("order.units"),
          numeric: true,
          cell: ({ lines }) => wholeNumber(lines.reduce((sum, { quantity }) => sum + quantity, 0)),
        },
        { label: ct("order.total"), numeric: true, cell: ({ totals }) => money(totals.total) },
        { label: ct("order.payment"), cell: ({ payment_state }) => <PaymentBadge state={payment_state} /> },
        { label: ct("order.goods"), cell: ({ fulfillment_state }) => <GoodsBadge state={fulfillment_state} /> },
      ]}
    />
  );
}

/** Adds new and changed orders to the list. Returns the orders that have just arrived. */
export function useNewOrders(
  fits: (order: Order, isListed: boolean) => boolean,
  change: (edit: (orders: Order[]) => Order[]) => void,
): ReadonlySet<string> {
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const newest = useRef({ fits, change });
  newest.current = { fits, change };

  useEffect(() => {
    let ended = false;
    let came = 0;
    let telling = 0;
    const timers = new Set<number>();
    const tell = () => {
      telling = 0;
      announce(ctn("order.came", came));
      came = 0;
    };
    const arrived = (order: Order, isNew: boolean) => {
      newest.current.change((orders) => {
        const had = orders.some(({ id }) => id === order.id);
        if (!newest.current.fits(order, had)) return orders.filter(({ id }) => id !== order.id);
        if (had) return orders.map((one) => (one.id === order.id ? order : one));
        return isNew ? [order, ...orders].sort((a, b) => (a.placed_at < b.placed_at ? 1 : -1)) : orders;
      });
      if (!isNew) return;
      came += 1;
      if (telling === 0) telling = window.setTimeout(tell, TELL_MS);
      setFresh((before) => new Set([...before, order.id]));
      const timer = window.setTimeout(() => {
        timers.delete(timer);
        setFresh((before) => new Set([...before].filter((id) => id !== order.id)));
      }, FRESH_MS);
      timers.add(timer);
    };
    const off = liveLine()
      .topic("orders")
      .on({
        fact: ({ type, data }) => {
          read("get_order", { params: { id: data.order_id } }).then(
            (order) => ended || arrived(order, type === "order_created"),
            () => undefined,
          );
        },
      });
    return () => {
      ended = true;
      off();
      clearTimeout(telling);
      for (const timer of timers) clearTimeout(timer);
    };
  }, []);
  return fresh;
}
