/** Stock by SKU: units on hand, and where they are reserved. */
import { isProblem, type Levels } from "@fusioncommerce/client";
import { useEffect, useState } from "preact/hooks";
import type { PageProps } from "../../app";
import { location } from "../../router";
import type { ListedProduct } from "../../types";
import { announce } from "../../ui/announcer";
import { read } from "../asking";
import { wholeNumber } from "../format";
import { problemText } from "../problems";
import { SearchField } from "../ui/fields";
import { ListState } from "../ui/list-state";
import { PageHead } from "../ui/page-head";
import { Rows, type Column } from "../ui/rows";
import { usePages, useSettled, type PageOf } from "../ui/use-pages";
import { ct } from "../words";
import { AdjustDialog } from "./adjust-dialog";

/** The number of products whose variants are shown at once: each SKU needs a request. */
const PRODUCTS_AT_ONCE = 20;
const QUESTIONS_AT_ONCE = 6;

interface StockRow {
  sku: string;
  product?: ListedProduct;
  variant: string;
}

/** Loads the rows of a page of products. A query that matches no product may be a SKU. */
async function loadRows(query: string, cursor: string | undefined): Promise<PageOf<StockRow>> {
  const params = { limit: PRODUCTS_AT_ONCE, ...(query ? { query } : {}), ...(cursor ? { cursor } : {}) };
  const { items, next_cursor } = await read("list_products", { params });
  const rows = items.flatMap((product) =>
    product.variants.map(({ sku, title }) => ({ sku, product, variant: title })),
  );
  if (rows.length > 0 || !query) return { items: rows, next_cursor };
  try {
    const { sku } = await read("get_inventory", { params: { sku: query } });
    return { items: [{ sku, variant: "" }] };
  } catch (thrown) {
    if (isProblem(thrown, "not_found", "invalid_request", "out_of_range")) return { items: [] };
    throw thrown;
  }
}

type Known = Record<string, Levels | { error: unknown }>;

export function StockPage(_: PageProps) {
  const [query, setQuery] = useState(location.value.searchParams.get("sku") ?? "");
  const settled = useSettled(query.trim());
  const pages = usePages(settled, (cursor) => loadRows(settled, cursor));
  const [known, setKnown] = useState<Known>({});
  const [adjusting, setAdjusting] = useState<StockRow>();

  const learn = async (sku: string) => {
    const answer = await read("get_inventory", { params: { sku } }).catch((error: unknown) => ({ error }));
    setKnown((before) => ({ ...before, [sku]: answer }));
  };

  const wanted = (pages.items ?? []).map(({ sku }) => sku);
  useEffect(() => {
    const waiting = wanted.filter((sku) => known[sku] === undefined);
    let stale = false;
    const work = async () => {
      for (let sku = waiting.shift(); sku !== undefined && !stale; sku = waiting.shift()) await learn(sku);
    };
    for (let nth = 0; nth < QUESTIONS_AT_ONCE; nth += 1) void work();
    return () => {
      stale = true;
    };
  }, [wanted.join("\n")]);

  const levels = adjusting && known[adjusting.sku];
  return (
    <>
      <PageHead title={ct("nav.stock")} lead={ct("stock.lead")} />
      <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <SearchField
          name="stock-query"
          label={ct("stock.search")}
          value={query}
          onValue={setQuery}
          placeholder={ct("stock.searchHint")}
        />
      </form>
      <ListState
        pages={pages}
        empty={
          settled
            ? {
                title: ct("stock.noneFound"),
                text: ct("stock.noneFoundText"),
                actions: (
                  <button class="button second" type="button" onClick={() => setQuery("")}>
                    {ct("common.showAll")}
                  </button>
                ),
              }
            : {
                title: ct("stock.none"),
                text: ct("stock.noneText"),
                actions: (
                  <a class="button" href="/console/products/new">
                    {ct("product.new")}
                  </a>
                ),
              }
        }
      >
        {(rows) => (
          <Rows
            caption={ct("nav.stock")}
            tight
            items={rows}
            keyOf={({ sku }) => sku}
            columns={columns(known, setAdjusting, (sku) => void learn(sku))}
          />
        )}
      </ListState>
      {adjusting && levels && !("error" in levels) && (
        <AdjustDialog
          name={nameOf(adjusting)}
          levels={levels}
          onClose={() => setAdjusting(undefined)}
          onLevels={(next) => setKnown((before) => ({ ...before, [next.sku]: next }))}
          onDone={(next) => {
            setKnown((before) => ({ ...before, [next.sku]: next }));
            setAdjusting(undefined);
            announce(ct("stock.done", { sku: next.sku, n: wholeNumber(next.on_hand) }));
          }}
        />
      )}
    </>
  );
}

function nameOf({ sku, product, variant }: StockRow): string {
  return [product?.title, variant, sku].filter(Boolean).join(" · ");
}

function columns(known: Known, adjust: (row: StockRow) => void, retry: (sku: string) => void): Column<StockRow>[] {
  const level = (name: keyof Omit<Levels, "sku">): Column<StockRow> => ({
    label: ct(`stock.${name}`),
    numeric: true,
    cell: ({ sku }) => {
      const levels = known[sku];
      if (levels === undefined) return <span class="quiet">…</span>;
      if ("error" in levels) return <span class="quiet">–</span>;
      const none = name === "available" && levels.available === 0;
      return <span class={none ? "tone-bad" : levels[name] === 0 ? "quiet" : ""}>{wholeNumber(levels[name])}</span>;
    },
  });
  return [
    {
      label: "SKU",
      cell: ({ sku, product, variant }) => (
        <>
          <code class="sku">{sku}</code>
          <p class="small quiet">
            {product ? <a href={`/console/products/${product.id}`}>{product.title}</a> : ct("stock.noProduct")}
            {variant && ` · ${variant}`}
          </p>
        </>
      ),
    },
    level("on_hand"),
    level("available"),
    level("held"),
    level("allocated"),
    level("sold"),
    {
      label: ct("common.actions"),
      actions: true,
      cell: (row) => {
        const levels = known[row.sku];
        if (levels && "error" in levels) {
          return (
            <button
              class="link-button small"
              type="button"
              title={problemText(levels.error)}
              onClick={() => retry(row.sku)}
            >
              {ct("stock.readAgain")}
              <span class="unseen"> {row.sku}</span>
            </button>
          );
        }
        return (
          <button class="button second small-button" type="button" disabled={!levels} onClick={() => adjust(row)}>
            {ct("stock.adjust")}
            <span class="unseen"> {row.sku}</span>
          </button>
        );
      },
    },
  ];
}
