/** The product grid: all products, or those that match the filters. */
import { useEffect, useState } from "preact/hooks";
import { call } from "../api";
import { t, tn } from "../i18n";
import type { ListedProduct } from "../types";
import { Icon } from "../ui/icon";
import { LoadNotice } from "../ui/load-state";
import { Notice } from "../ui/notice";
import { Price } from "../ui/price";
import { ProductPicture } from "../ui/product-picture";
import { useLoad } from "../ui/use-load";
import { productPath } from "./addresses";
import { rememberListed } from "./catalogue";
import { arranged, cheapestOf, isInStock, isNarrowed, look, ORDERS, type Filters, type Order } from "./filters";

const PAGE_SIZE = 48;
/** Sorting in the browser needs all products: this many pages of this size are loaded for it. */
const SORTED_PAGE_SIZE = 200;
const SORTED_PAGES_MAX = 5;
const TYPING_PAUSE_MS = 250;

interface Found {
  products: ListedProduct[];
  cursor: string | undefined;
}

export function ProductGrid({ filters }: { filters: Filters }) {
  const { query, type, tag, order } = filters;
  const [types, setTypes] = useState<string[]>([]);
  const [more, setMore] = useState<Found>();
  const isSorted = order !== "newest";
  const { value, error, retry } = useLoad([query, type, tag, isSorted].join("\n"), async () => {
    let found = await fetchMore(filters, undefined);
    for (let page = 1; isSorted && found.cursor && page < SORTED_PAGES_MAX; page += 1) found = await fetchMore(filters, found);
    setMore(undefined);
    return found;
  });
  useEffect(() => {
    if (!isNarrowed(filters) && value) setTypes(typesOf(value.products));
    else if (types.length === 0) {
      void call("list_products", { params: { limit: PAGE_SIZE } }).then((page) => setTypes(typesOf(page.items)), () => undefined);
    }
  }, [value]);

  const found = more ?? value;
  const shown = found && arranged(found.products, filters);
  return (
    <section class="section" aria-labelledby="goods-title">
      <div class="section-head">
        <h2 id="goods-title">{t("home.allTitle")}</h2>
        <Search query={query} />
      </div>
      <Choices filters={filters} types={types} />
      <p class="unseen" role="status">
        {shown && isNarrowed(filters) ? tn("home.found", shown.length) : ""}
      </p>
      {error !== undefined && <LoadNotice error={error} onRetry={retry} />}
      {!error && !shown && <GridSkeleton />}
      {found && shown?.length === 0 && <NothingFits filters={filters} hidden={found.products.length} more={found.cursor !== undefined} />}
      {shown && (
        <div class="grid">
          {shown.map((product) => (
            <ProductCard key={product.id} product={product} />
          ))}
        </div>
      )}
      {found?.cursor && (
        <div class="more">
          <button class="button second" type="button" onClick={() => void fetchMore(filters, found).then(setMore, retry)}>
            {t("home.more")}
          </button>
        </div>
      )}
    </section>
  );
}

async function fetchMore({ query, type, tag, order }: Filters, before: Found | undefined): Promise<Found> {
  const page = await call("list_products", {
    params: {
      ...(query ? { query } : {}),
      ...(type ? { type } : {}),
      ...(tag ? { tag } : {}),
      ...(before?.cursor ? { cursor: before.cursor } : {}),
      limit: order === "newest" ? PAGE_SIZE : SORTED_PAGE_SIZE,
    },
  });
  rememberListed(page.items);
  return { products: [...(before?.products ?? []), ...page.items], cursor: page.next_cursor ?? undefined };
}

function Search({ query }: { query: string }) {
  const [typed, setTyped] = useState(query);
  useEffect(() => setTyped(query), [query]);
  useEffect(() => {
    if (typed.trim() === query) return;
    const timer = setTimeout(() => look({ query: typed.trim() }), TYPING_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  return (
    <form role="search" class="search field" onSubmit={(event) => event.preventDefault()}>
      <Icon name="search" />
      <input
        type="search"
        aria-label={t("home.searchLabel")}
        placeholder={t("home.searchHint")}
        value={typed}
        maxLength={100}
        onInput={(event) => setTyped(event.currentTarget.value)}
      />
    </form>
  );
}

function Choices({ filters, types }: { filters: Filters; types: string[] }) {
  return (
    <div class="choices">
      <div class="chips" role="group" aria-label={t("home.typesLabel")}>
        {["", ...types].map((one) => (
          <button key={one} class="chip" type="button" aria-pressed={one === filters.type} onClick={() => look({ type: one })}>
            {one || t("home.allTypes")}
          </button>
        ))}
        {filters.tag && (
          <button class="chip" type="button" aria-pressed="true" onClick={() => look({ tag: "" })}>
            {t("home.tag", { tag: filters.tag })}
            <Icon name="close" />
            <span class="unseen">{t("common.remove")}</span>
          </button>
        )}
      </div>
      <div class="arranging">
        <label class="check">
          <input type="checkbox" checked={filters.inStock} onChange={(event) => look({ inStock: event.currentTarget.checked })} />
          {t("home.inStock")}
        </label>
        <label class="arranging-order">
          <span class="unseen">{t("home.order")}</span>
          <select class="small-select" value={filters.order} onChange={(event) => look({ order: event.currentTarget.value as Order })}>
            {ORDERS.map((order) => (
              <option key={order} value={order}>
                {t(`home.order.${order}`)}
              </option>
            ))}
          </select>
        </label>
      </div>
    </div>
  );
}

interface NothingProps {
  filters: Filters;
  /** The number of matching products that are sold out. */
  hidden: number;
  /** Whether there are more products to search. */
  more: boolean;
}

/** Explains why nothing is shown, and which change would show something. */
function NothingFits({ filters, hidden, more }: NothingProps) {
  const { query, type, tag } = filters;
  const sought = [query, type, tag].filter(Boolean).join(", ");
  const all = (
    <a class="button second" href="/">
      {t("home.showAll")}
    </a>
  );
  if (hidden > 0) {
    const soldOut = (
      <button class="button second" type="button" onClick={() => look({ inStock: false })}>
        {t("home.showSoldOut")}
      </button>
    );
    return (
      <Notice title={sought ? t("home.noneOfInStock", { query: sought }) : t("home.noneInStock")} actions={soldOut}>
        {t(more ? "home.lookFurther" : "home.allSoldOut")}
      </Notice>
    );
  }
  if (!isNarrowed(filters)) return <Notice title={t("home.empty")}>{t("home.emptyText")}</Notice>;
  return (
    <Notice title={sought ? t("home.none", { query: sought }) : t("home.noneInStock")} actions={all}>
      {t(query ? "home.noneText" : "home.noneOfThem")}
    </Notice>
  );
}

function ProductCard({ product }: { product: ListedProduct }) {
  const cheapest = cheapestOf(product);
  return (
    <article class="card">
      <ProductPicture product={product} decorative />
      {!isInStock(product) && <span class="badge">{t("product.soldOut")}</span>}
      <h3>
        <a href={productPath(product)}>{product.title}</a>
      </h3>
      <p class="card-vendor">{product.vendor}</p>
      {cheapest && <Price price={cheapest.price} was={cheapest.compare_at_price} />}
    </article>
  );
}

function GridSkeleton() {
  return (
    <div class="grid" aria-busy="true" aria-label={t("common.loading")}>
      {Array.from({ length: 8 }, (_, n) => (
        <div key={n} class="card card-skeleton">
          <div class="skeleton" />
          <div class="skeleton" />
        </div>
      ))}
    </div>
  );
}

function typesOf(products: ListedProduct[]): string[] {
  return [...new Set(products.map((product) => product.type).filter(Boolean))].sort();
}
