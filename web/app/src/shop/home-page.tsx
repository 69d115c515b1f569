import { useEffect, useState } from "preact/hooks";
import { call } from "../api";
import { now } from "../clock";
import { Countdown } from "../drop/countdown";
import { phaseOf } from "../drop/phase";
import { t, tn } from "../i18n";
import { location, navigate } from "../router";
import type { Drop, Product } from "../types";
import { Icon } from "../ui/icon";
import { LoadFailed } from "../ui/load-state";
import { Notice } from "../ui/notice";
import { PageTitle } from "../ui/page-title";
import { Price } from "../ui/price";
import { ProductPicture } from "../ui/product-picture";
import { useLoad } from "../ui/use-load";
import { pictureOf, remember, usePictures } from "./catalogue";

const PAGE_SIZE = "48";
const TYPING_PAUSE_MS = 250;
const DROPS_SHOWN_MAX = 4;

export function HomePage() {
  const query = location.value.searchParams.get("q") ?? "";
  const type = location.value.searchParams.get("type") ?? "";
  const searching = query !== "" || type !== "";
  return (
    <div class="page">
      <div class="hero">
        <PageTitle plain={t("home.title")} />
        <p>{t("home.lead")}</p>
      </div>
      {!searching && <Drops />}
      <Goods query={query} type={type} />
    </div>
  );
}

function Drops() {
  const { value } = useLoad("drops", async () => (await call("list_drops", { params: { limit: "12" } })).items);
  const order = { open: 0, sold_out: 1, scheduled: 1, ended: 2, cancelled: 3, draft: 3 };
  const shown = value
    ?.filter((drop) => drop.state !== "cancelled" && drop.state !== "draft")
    .sort((a, b) => order[a.state] - order[b.state])
    .slice(0, DROPS_SHOWN_MAX);
  usePictures((shown ?? []).map((drop) => drop.product_id));
  if (shown?.length === 0) return null;
  return (
    <section class="section" aria-labelledby="drops-title">
      <div class="section-head">
        <h2 id="drops-title">{t("home.dropsTitle")}</h2>
      </div>
      <div class="drop-cards">
        {shown?.map((drop) => <DropCard key={drop.id} drop={drop} />) ?? [0, 1].map((n) => <div key={n} class="drop-card" />)}
      </div>
    </section>
  );
}

function DropCard({ drop }: { drop: Drop }) {
  const phase = phaseOf(drop, now.value);
  const soon = phase === "scheduled" || phase === "opening";
  const price = drop.items[0];
  return (
    <article class="drop-card card">
      <ProductPicture product={pictureOf(drop.product_id, drop.title)} decorative />
      <div>
        <span class={`badge ${phase === "open" ? "live" : soon ? "soon" : ""}`}>{badge(phase)}</span>
        <h3>
          <a href={`/drops/${drop.id}`}>{drop.title}</a>
        </h3>
        <p>{price && <Price price={price.price} was={price.compare_at_price} />}</p>
        <p class="small quiet">
          {phase === "open" && tn("drop.left", drop.available)}
          {phase === "scheduled" && drop.starts_at && (
            <span>
              {t("drop.opensIn")} <Countdown until={drop.starts_at} short />
            </span>
          )}
        </p>
      </div>
    </article>
  );
}

function badge(phase: ReturnType<typeof phaseOf>): string {
  if (phase === "open") return t("drop.live");
  if (phase === "scheduled") return t("drop.soon");
  if (phase === "opening") return t("drop.opening");
  if (phase === "may_return") return t("drop.itemHeld");
  return t(phase === "sold_out" ? "drop.itemGone" : "drop.over");
}

function Goods({ query, type }: { query: string; type: string }) {
  const [types, setTypes] = useState<string[]>([]);
  const [more, setMore] = useState<Product[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const filters = { query: query || undefined, type: type || undefined, limit: PAGE_SIZE };
  const { value, error, retry } = useLoad(`${query} ${type}`, async () => {
    const page = await call("list_products", { params: filters });
    remember(page.items);
    setMore([]);
    setCursor(page.next_cursor);
    return page.items;
  });
  useEffect(() => {
    if (query || type) {
      if (types.length > 0) return;
      void call("list_products", { params: { limit: PAGE_SIZE } }).then((page) => setTypes(typesOf(page.items)), () => undefined);
    } else if (value) setTypes(typesOf(value));
  }, [value]);

  const showMore = async () => {
    if (!cursor) return;
    const page = await call("list_products", { params: { ...filters, cursor } });
    remember(page.items);
    setMore([...more, ...page.items]);
    setCursor(page.next_cursor);
  };

  const shown = value && [...value, ...more];
  return (
    <section class="section" aria-labelledby="goods-title">
      <div class="section-head">
        <h2 id="goods-title">{t("home.allTitle")}</h2>
        <Search query={query} type={type} />
      </div>
      <div class="chips" role="group" aria-label={t("home.typesLabel")}>
        {["", ...types].map((one) => (
          <button key={one} class="chip" type="button" aria-pressed={one === type} onClick={() => navigate(filtered(query, one), "replace")}>
            {one || t("home.allTypes")}
          </button>
        ))}
      </div>
      <p class="unseen" role="status">
        {shown && (query || type) ? tn("home.found", shown.length) : ""}
      </p>
      {error !== undefined && <LoadFailed error={error} onRetry={retry} />}
      {!error && !shown && <GridSkeleton />}
      {shown?.length === 0 && (
        <Notice
          title={t("home.none", { query: query || type })}
          actions={
            <a class="button second" href="/">
              {t("home.showAll")}
            </a>
          }
        >
          {t("home.noneText")}
        </Notice>
      )}
      {shown && (
        <div class="grid">
          {shown.map((product) => (
            <ProductCard key={product.id} product={product} />
          ))}
        </div>
      )}
      {cursor && (
        <div class="more">
          <button class="button second" type="button" onClick={() => void showMore()}>
            {t("home.more")}
          </button>
        </div>
      )}
    </section>
  );
}

function Search({ query, type }: { query: string; type: string }) {
  const [typed, setTyped] = useState(query);
  useEffect(() => setTyped(query), [query]);
  useEffect(() => {
    if (typed.trim() === query) return;
    const timer = setTimeout(() => navigate(filtered(typed.trim(), type), "replace"), TYPING_PAUSE_MS);
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

function ProductCard({ product }: { product: Product }) {
  const cheapest = product.variants.reduce<Product["variants"][number] | undefined>(
    (best, one) => (best && best.price.amount <= one.price.amount ? best : one),
    undefined,
  );
  const inStock = product.variants.some((variant) => variant.in_stock);
  return (
    <article class="card">
      <ProductPicture product={product} decorative />
      {!inStock && <span class="badge">{t("product.soldOut")}</span>}
      <h3>
        <a href={`/products/${product.id}`}>{product.title}</a>
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

function typesOf(products: Product[]): string[] {
  return [...new Set(products.map((product) => product.type).filter(Boolean))].sort();
}

function filtered(query: string, type: string): string {
  const search = new URLSearchParams();
  if (query) search.set("q", query);
  if (type) search.set("type", type);
  return search.size > 0 ? `/?${search}` : "/";
}
