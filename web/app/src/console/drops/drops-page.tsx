import type { Drop } from "@fusioncommerce/client";
import { useState } from "preact/hooks";
import type { PageProps } from "../../app";
import { read } from "../asking";
import { dayTime, wholeNumber } from "../format";
import { DropBadge } from "../ui/badges";
import { Choice } from "../ui/fields";
import { ListState } from "../ui/list-state";
import { PageHead } from "../ui/page-head";
import { Rows } from "../ui/rows";
import { usePages } from "../ui/use-pages";
import { ct } from "../words";
import { StockBar } from "./stock-bar";

const PAGE_SIZE = 50;

type Which = "all" | "running" | "draft" | "over";
const FITS: Record<Which, Drop["state"][]> = {
  all: ["draft", "scheduled", "open", "sold_out", "ended", "cancelled"],
  running: ["open", "sold_out", "scheduled"],
  draft: ["draft"],
  over: ["ended", "cancelled"],
};

export function DropsPage(_: PageProps) {
  const [which, setWhich] = useState<Which>("all");
  const pages = usePages("drops", (cursor) =>
    read("list_drops", { params: { limit: PAGE_SIZE, ...(cursor ? { cursor } : {}) } }),
  );
  const make = (
    <a class="button" href="/console/drops/new">
      {ct("drop.new")}
    </a>
  );
  return (
    <>
      <PageHead title={ct("nav.drops")}>{make}</PageHead>
      <div class="filters">
        <Choice
          name="which"
          legend={ct("drop.show")}
          value={which}
          onValue={setWhich}
          options={(["all", "running", "draft", "over"] as const).map((one) => [one, ct(`drop.which.${one}`)] as const)}
        />
        {pages.isMore && which !== "all" && (
          <p class="quiet small">{ct("drop.onlyLoaded", { n: pages.items?.length ?? 0 })}</p>
        )}
      </div>
      <ListState pages={pages} empty={{ title: ct("drop.none"), text: ct("drop.noneText"), actions: make }}>
        {(drops) => {
          const fitting = drops.filter(({ state }) => FITS[which].includes(state));
          if (fitting.length === 0) return <p class="quiet">{ct("drop.noneHere")}</p>;
          return (
            <Rows
              caption={ct("nav.drops")}
              items={fitting}
              keyOf={({ id }) => id}
              columns={[
                {
                  label: ct("drop.title"),
                  cell: (drop) => <a href={`/console/drops/${drop.id}`}>{drop.title || ct("drop.untitled")}</a>,
                },
                { label: ct("drop.standing"), cell: ({ state }) => <DropBadge state={state} /> },
                { label: ct("drop.starts"), cell: (drop) => <Start drop={drop} /> },
                { label: ct("drop.ends"), cell: ({ ends_at }) => <time dateTime={ends_at}>{dayTime(ends_at)}</time> },
                { label: ct("drop.units"), numeric: true, cell: ({ quantity }) => wholeNumber(quantity) },
                { label: ct("drop.sold"), numeric: true, cell: ({ sold }) => wholeNumber(sold) },
                { label: ct("drop.course"), wide: true, cell: (drop) => <StockBar drop={drop} /> },
              ]}
            />
          );
        }}
      </ListState>
    </>
  );
}

function Start({ drop: { starts_at, state } }: { drop: Drop }) {
  if (starts_at) return <time dateTime={starts_at}>{dayTime(starts_at)}</time>;
  return state === "draft" ? <>{ct("drop.atOnce")}</> : <span class="quiet">–</span>;
}
