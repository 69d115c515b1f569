import type { Product } from "@fusioncommerce/client";
import { useEffect, useState } from "preact/hooks";
import type { PageProps } from "../../app";
import { money } from "../../i18n";
import { ProductPicture } from "../../ui/product-picture";
import { location, navigate } from "../../router";
import type { ListedProduct } from "../../types";
import { read } from "../asking";
import { dayTime } from "../format";
import { ProductBadge } from "../ui/badges";
import { SearchField, Select } from "../ui/fields";
import { ListState } from "../ui/list-state";
import { PageHead } from "../ui/page-head";
import { Rows } from "../ui/rows";
import { usePages, useSettled } from "../ui/use-pages";
import { ct, ctn } from "../words";

type Status = Product["status"] | "";
const STATUSES: readonly Status[] = ["", "active", "draft", "archived"];
const PAGE_SIZE = 50;

export function ProductsPage(_: PageProps) {
  const params = location.value.searchParams;
  const [query, setQuery] = useState(params.get("query") ?? "");
  const [status, setStatus] = useState<Status>((params.get("status") as Status | null) ?? "");
  const settled = useSettled(query.trim());
  const pages = usePages(`${settled}|${status}`, (cursor) =>
    read("list_products", {
      params: {
        limit: PAGE_SIZE,
        ...(settled ? { query: settled } : {}),
        ...(status ? { status } : {}),
        ...(cursor ? { cursor } : {}),
      },
    }),
  );
  useEffect(() => {
    const words = new URLSearchParams({
      ...(settled ? { query: settled } : {}),
      ...(status ? { status } : {}),
    }).toString();
    if (words !== window.location.search.slice(1)) navigate(`/console/products${words ? `?${words}` : ""}`, "replace");
  }, [settled, status]);

  const filtered = settled !== "" || status !== "";
  return (
    <>
      <PageHead title={ct("nav.products")}>
        <a class="button second" href="/console/import">
          {ct("import.open")}
        </a>
        <a class="button" href="/console/products/new">
          {ct("product.new")}
        </a>
      </PageHead>
      <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <SearchField
          name="query"
          label={ct("product.search")}
          value={query}
          onValue={setQuery}
          placeholder={ct("product.searchHint")}
        />
        <Select
          name="status"
          label={ct("product.status")}
          value={status}
          onValue={(value) => setStatus(value as Status)}
          options={STATUSES.map((value) => [value, value ? ct(`product.status.${value}`) : ct("common.all")] as const)}
        />
      </form>
      <ListState
        pages={pages}
        empty={
          filtered
            ? {
                title: ct("product.noneFound"),
                text: ct("product.noneFoundText"),
                actions: (
                  <button class="button second" type="button" onClick={() => (setQuery(""), setStatus(""))}>
                    {ct("common.showAll")}
                  </button>
                ),
              }
            : {
                title: ct("product.none"),
                text: ct("product.noneText"),
                actions: (
                  <>
                    <a class="button" href="/console/import">
                      {ct("import.open")}
                    </a>
                    <a class="button second" href="/console/products/new">
                      {ct("product.new")}
                    </a>
                  </>
                ),
              }
        }
      >
        {(items) => (
          <Rows
            caption={ct("nav.products")}
            items={items}
            keyOf={({ id }) => id}
            columns={[
              { label: ct("product.title"), cell: (product) => <Named product={product} /> },
              { label: ct("product.status"), cell: ({ status: standing }) => <ProductBadge status={standing} /> },
              { label: ct("product.type"), cell: ({ type }) => type || <span class="quiet">–</span> },
              {
                label: ct("product.variantsHead"),
                numeric: true,
                cell: (product) => ctn("product.variants", (product as ListedProduct).variants_count ?? product.variants.length),
              },
              { label: ct("product.price"), numeric: true, cell: priceRange },
              { label: ct("product.inStock"), cell: stockWords },
              {
                label: ct("product.updated"),
                cell: ({ updated_at }) => <time dateTime={updated_at}>{dayTime(updated_at)}</time>,
              },
            ]}
          />
        )}
      </ListState>
    </>
  );
}

function Named({ product }: { product: ListedProduct }) {
  return (
    <div class="named">
      <div class="named-picture">
        <ProductPicture product={product} decorative />
      </div>
      <div>
        <a href={`/console/products/${product.id}`}>{product.title}</a>
        {product.vendor && <p class="small quiet">{product.vendor}</p>}
      </div>
    </div>
  );
}

function priceRange({ variants }: ListedProduct): string {
  const sorted = variants.map(({ price }) => price).sort((a, b) => a.amount - b.amount);
  const [least] = sorted;
  const most = sorted.at(-1);
  if (!least || !most) return "";
  return least.amount === most.amount ? money(least) : `${money(least)} – ${money(most)}`;
}

function stockWords({ variants }: ListedProduct) {
  const available = variants.filter(({ in_stock }) => in_stock).length;
  if (available === 0) return <span class="tone-bad">{ct("product.stockNone")}</span>;
  if (available === variants.length) return ct("product.stockAll");
  return <span class="tone-warn">{ct("product.stockSome", { n: available, of: variants.length })}</span>;
}
