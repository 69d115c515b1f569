/** The start page of the console: running drops and open orders. */
import type { Drop } from "@fusioncommerce/client";
import type { PageProps } from "../app";
import { useLoad } from "../ui/use-load";
import { Notice } from "../ui/notice";
import { read } from "./asking";
import { dayTime, wholeNumber } from "./format";
import { StockBar } from "./drops/stock-bar";
import { OrderRows, useNewOrders } from "./orders/orders-page";
import { LoadTrouble } from "./problems";
import { DropBadge } from "./ui/badges";
import { ListState, Waiting } from "./ui/list-state";
import { PageHead } from "./ui/page-head";
import { usePages } from "./ui/use-pages";
import { ct, ctn } from "./words";

const DROPS_LOOKED_AT = 50;
const DROPS_SHOWN = 6;
const ORDERS_SHOWN = 8;
const MAILS_SHOWN = 5;

export function OverviewPage(_: PageProps) {
  return (
    <>
      <PageHead title={ct("nav.overview")}>
        <a class="button second" href="/console/products/new">
          {ct("product.new")}
        </a>
        <a class="button" href="/console/drops/new">
          {ct("drop.new")}
        </a>
      </PageHead>
      <UndeliveredMails />
      <RunningDrops />
      <WaitingOrders />
    </>
  );
}

/** Receipts that could not be delivered; nothing is shown if there are none. */
function UndeliveredMails() {
  const { value } = useLoad("mails", () => read("list_undelivered_mails"));
  const items = value?.items.filter(({ state, tries }) => state === "failed" || tries > 1) ?? [];
  if (!value || items.length === 0) return null;
  const failed = items.some(({ state }) => state === "failed");
  return (
    <Notice tone={failed ? "bad" : "warn"} title={ctn("overview.mails", items.length)}>
      <ul role="list">
        {items.slice(0, MAILS_SHOWN).map((mail) => (
          <li key={mail.id}>
            {mail.order_id === undefined ? (
              ct("overview.accountMail")
            ) : (
              <a href={`/console/orders/${mail.order_id}`}>{ct("overview.receipt")}</a>
            )}{" "}
            {ct(mail.state === "failed" ? "overview.mailFailed" : "overview.mailWaiting", {
              time: dayTime(mail.first_tried_at),
              reason: mail.reason,
            })}
          </li>
        ))}
      </ul>
    </Notice>
  );
}

function RunningDrops() {
  const { value, error, retry } = useLoad("drops", async () => {
    const { items } = await read("list_drops", { params: { limit: DROPS_LOOKED_AT } });
    return items.filter(({ state }) => state === "open" || state === "scheduled" || state === "sold_out");
  });
  return (
    <section class="overview-part" aria-labelledby="running-head">
      <div class="sheet-head">
        <h2 id="running-head">{ct("overview.drops")}</h2>
        <a href="/console/drops">{ct("overview.allDrops")}</a>
      </div>
      {error !== undefined && <LoadTrouble error={error} onRetry={retry} />}
      {!value && error === undefined && <Waiting rows={2} />}
      {value?.length === 0 && <Notice title={ct("overview.noDrops")}>{ct("drop.noneText")}</Notice>}
      {value && value.length > 0 && (
        <ul role="list" class="drop-tiles">
          {value.slice(0, DROPS_SHOWN).map((drop) => (
            <li key={drop.id}>
              <Tile drop={drop} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Tile({ drop }: { drop: Drop }) {
  const isScheduled = drop.state === "scheduled" && drop.starts_at !== undefined;
  return (
    <article class="sheet drop-tile">
      <DropBadge state={drop.state} />
      <h3>
        <a href={`/console/drops/${drop.id}`}>{drop.title || ct("drop.untitled")}</a>
      </h3>
      <p class="small quiet">
        {isScheduled
          ? ct("overview.opens", { time: dayTime(drop.starts_at ?? "") })
          : ct("overview.ends", { time: dayTime(drop.ends_at) })}
      </p>
      <StockBar drop={drop} />
      <p class="small digits">
        {ct("overview.sold", { sold: wholeNumber(drop.sold), of: wholeNumber(drop.quantity) })}
      </p>
    </article>
  );
}

function WaitingOrders() {
  const pages = usePages("waiting", (cursor) =>
    read("list_orders", {
      params: { limit: ORDERS_SHOWN, fulfillment_state: "unfulfilled", ...(cursor ? { cursor } : {}) },
    }),
  );
  const fresh = useNewOrders((order) => order.fulfillment_state === "unfulfilled", pages.change);
  return (
    <section class="overview-part" aria-labelledby="waiting-head">
      <div class="sheet-head">
        <h2 id="waiting-head">{ct("overview.orders")}</h2>
        <a href="/console/orders">{ct("overview.allOrders")}</a>
      </div>
      <ListState pages={pages} empty={{ title: ct("overview.noOrders"), text: ct("overview.noOrdersText") }}>
        {(orders) => <OrderRows orders={orders} fresh={fresh} />}
      </ListState>
    </section>
  );
}
