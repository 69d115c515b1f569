/** What a vendor looks at first: drops that run, orders that wait. */
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
import { ct } from "./words";

const DROPS_LOOKED_AT = 50;
const DROPS_SHOWN = 6;
const ORDERS_SHOWN = 8;

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
      <RunningDrops />
      <WaitingOrders />
    </>
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
