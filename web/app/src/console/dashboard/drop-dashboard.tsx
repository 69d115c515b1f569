/** The dashboard of a drop: numbers, charts, claims, and actions. */
import type { Drop, Money } from "@fusioncommerce/client";
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { PageProps } from "../../app";
import { msUntil, now } from "../../clock";
import { shortLeft } from "../../drop/countdown";
import { money } from "../../i18n";
import { describeSku, usePictures } from "../../shop/catalogue";
import { Notice } from "../../ui/notice";
import { clockOrDay, dayTime, dayTimeUtc, decimal, wholeNumber } from "../format";
import { DropDialog, type DropAction } from "../drops/drop-dialogs";
import { StockBar } from "../drops/stock-bar";
import { DropBadge } from "../ui/badges";
import { Choice } from "../ui/fields";
import { Waiting } from "../ui/list-state";
import { PageHead } from "../ui/page-head";
import { PageTrouble } from "../ui/page-trouble";
import { Rows } from "../ui/rows";
import { Trouble } from "../problems";
import { ct, ctn, durationWords } from "../words";
import { RecentClaims } from "./recent-claims";
import { busiest, minutes, rate, type Point } from "./series";
import { useLiveDrop, type LiveDrop, type WatchedDrop } from "./use-live-drop";

const RATE_SECONDS = 5;
const TABLE_MINUTES = 60;

export function DropDashboard({ params }: PageProps) {
  const id = params["id"] ?? "";
  const watched = useLiveDrop(id);
  const { drop, error, retry } = watched;
  if (error !== undefined && !drop)
    return <PageTrouble error={error} onRetry={retry} up={{ href: "/console/drops", label: ct("nav.drops") }} />;
  return drop ? <Dashboard drop={drop} watched={watched} /> : <Waiting />;
}

function Dashboard({ drop, watched }: { drop: WatchedDrop; watched: LiveDrop }) {
  const [action, setAction] = useState<DropAction>();
  usePictures([drop.product_id]);
  const nameOf = (sku: string) => describeSku(drop.product_id, sku).variant ?? sku;
  const isWaiting = drop.state === "draft" || drop.state === "scheduled";
  return (
    <>
      <PageHead
        title={drop.title || ct("drop.untitled")}
        up={{ href: "/console/drops", label: ct("nav.drops") }}
        badge={<DropBadge state={drop.state} />}
        lead={<Times drop={drop} />}
      >
        <Actions drop={drop} onAction={setAction} />
      </PageHead>
      <LineNotice state={watched.line} />
      {drop.state === "draft" && <Notice title={ct("live.draftTitle")}>{ct("live.draftText")}</Notice>}
      {drop.state === "cancelled" && (
        <Notice tone="warn" title={ct("live.cancelledTitle")}>
          {ct("live.cancelledText")}
        </Notice>
      )}
      <Figures
        drop={drop}
        points={watched.pointsError === undefined ? watched.points : undefined}
        second={watched.second}
      />
      {!isWaiting && <Picture drop={drop} watched={watched} />}
      <div class="dashboard-columns">
        <section class="sheet" aria-labelledby="items-head">
          <h2 id="items-head">{ct("live.items")}</h2>
          <Items drop={drop} nameOf={nameOf} />
          <Rules drop={drop} />
        </section>
        {!isWaiting && (
          <section class="sheet claims" aria-labelledby="claims-head">
            <h2 id="claims-head">{ct("live.recent")}</h2>
            <RecentClaims claims={watched.claims} error={watched.claimsError} nameOf={nameOf} />
          </section>
        )}
      </div>
      {!isWaiting && <p class="quiet small dashboard-foot">{ct("live.keptBy")}</p>}
      {action && <DropDialog action={action} drop={drop} onClose={() => setAction(undefined)} onDrop={watched.take} />}
    </>
  );
}

function Times({ drop }: { drop: Drop }) {
  const parts = [
    drop.starts_at
      ? ct("drop.startsLead", { time: dayTime(drop.starts_at), utc: dayTimeUtc(drop.starts_at) })
      : drop.state === "draft" && ct("drop.startsAtOnce"),
    ct("drop.endsLead", { time: dayTime(drop.ends_at), utc: dayTimeUtc(drop.ends_at) }),
  ];
  return <>{parts.filter(Boolean).join(" · ")}</>;
}

function Actions({ drop, onAction }: { drop: Drop; onAction: (action: DropAction) => void }) {
  const button = (action: DropAction, look = "button second") => (
    <button class={look} type="button" onClick={() => onAction(action)}>
      {ct(`drop.act.${action}`)}
    </button>
  );
  const edit = (
    <a class="button second" href={`/console/drops/${drop.id}/edit`}>
      {ct("drop.act.edit")}
    </a>
  );
  switch (drop.state) {
    case "draft":
      return (
        <>
          {button("cancel", "button second danger-text")}
          {edit}
          {button("publish", "button")}
        </>
      );
    case "scheduled":
      return (
        <>
          {button("cancel", "button second danger-text")}
          {edit}
          <a class="button second" href={`/drops/${drop.id}`}>
            {ct("drop.inShop")}
          </a>
        </>
      );
    case "open":
    case "sold_out":
      return (
        <>
          {button("cancel", "button second danger-text")}
          {button("end", "button second danger-text")}
          <a class="button second" href={`/drops/${drop.id}`}>
            {ct("drop.inShop")}
          </a>
          {button("extend")}
          {button("units")}
        </>
      );
    default:
      return (
        <a class="button second" href={`/drops/${drop.id}`}>
          {ct("drop.inShop")}
        </a>
      );
  }
}

/** Shows a notice if the numbers are not up to date. */
function LineNotice({ state }: { state: LiveDrop["line"] }) {
  return (
    <div role="status" class="line-notice">
      {(state === "offline" || state === "stopped") && (
        <Notice tone="warn" title={ct("live.offlineTitle")}>
          {ct("live.offlineText")}
        </Notice>
      )}
      {state === "fallback" && <p class="quiet small">{ct("live.fallback")}</p>}
    </div>
  );
}

/** Returns the revenue so far, from the series. */
function revenue(drop: Drop, points: readonly Point[]): Money | undefined {
  const currency = drop.items[0]?.price.currency;
  return points.at(-1)?.revenueTotal ?? (currency && { amount: 0, currency });
}

function Figures({ drop, points, second }: { drop: WatchedDrop; points: Point[] | undefined; second: number }) {
  const came = points && revenue(drop, points);
  const percent = drop.quantity > 0 ? decimal((drop.sold / drop.quantity) * 100, 0) : "0";
  const figure = (label: string, value: string, note?: string) => (
    <div>
      <dt>{label}</dt>
      <dd>{value}</dd>
      {note && <dd class="figure-note">{note}</dd>}
    </div>
  );
  const isOpen = drop.state === "open" || drop.state === "sold_out";
  const hasBegun = drop.state !== "draft" && drop.state !== "scheduled";
  return (
    <section class="sheet" aria-label={ct("live.figures")}>
      <dl class="figures live">
        {drop.state === "scheduled" &&
          figure(ct("live.opensIn"), shortLeft(Math.max(0, msUntil(drop.starts_at, now.value))))}
        {isOpen && figure(ct("live.timeLeft"), shortLeft(Math.max(0, msUntil(drop.ends_at, now.value))))}
        {isOpen &&
          figure(
            ct("live.claimsPerSecond"),
            points ? decimal(rate(points, second, RATE_SECONDS), 1) : "–",
            ct("live.lastSeconds", { n: RATE_SECONDS }),
          )}
        {figure(ct("live.sold"), wholeNumber(drop.sold), ct("live.percent", { percent }))}
        {figure(ct("live.held"), wholeNumber(drop.held))}
        {figure(
          ct("live.available"),
          wholeNumber(drop.available),
          ct("live.ofUnits", { n: wholeNumber(drop.quantity) }),
        )}
        {hasBegun && figure(ct("live.revenue"), came ? money(came) : "–", ct("live.atPrices"))}
        {isOpen && figure(ct("live.viewers"), drop.viewers === undefined ? "–" : wholeNumber(drop.viewers))}
      </dl>
      <StockBar drop={drop} />
    </section>
  );
}

type Span = "120" | "600" | "3600" | "all";

/** Returns the range of the charts, in seconds since 1970. A past drop is shown until its last event, not until now. */
function shownOf(drop: Drop, points: Point[], span: Span, second: number): { from: number; to: number } {
  const isRunning = drop.state === "open" || drop.state === "sold_out";
  const last = points.at(-1);
  // The current second is shown in full.
  const to = isRunning || !last ? second + 1 : Math.min(second, last.at + last.seconds + 1);
  const first = Math.min(points[0]?.at ?? to, drop.starts_at ? Math.floor(Date.parse(drop.starts_at) / 1000) : to);
  return { from: span === "all" ? Math.min(first, to - 60) : to - Number(span), to };
}

/** The charts, loaded when there is something to draw, with the same data as a sentence and as a table. */
function Picture({ drop, watched: { points, pointsError, second } }: { drop: Drop; watched: LiveDrop }) {
  const isRunning = drop.state === "open" || drop.state === "sold_out";
  const [span, setSpan] = useState<Span>(isRunning ? "120" : "all");
  const hasClaims = points?.some(({ claims }) => claims > 0) ?? false;
  return (
    <section class="sheet" aria-labelledby="course-head">
      <div class="sheet-head">
        <h2 id="course-head">{ct("live.course")}</h2>
        {hasClaims && (
          <Choice
            name="span"
            legend={ct("live.span")}
            value={span}
            onValue={setSpan}
            options={[
              ["120", ctn("live.minutes", 2)],
              ["600", ctn("live.minutes", 10)],
              ["3600", ctn("live.minutes", 60)],
              ["all", ct("live.wholeDrop")],
            ]}
          />
        )}
      </div>
      {!points ? (
        pointsError === undefined ? (
          <Waiting rows={3} />
        ) : (
          <Trouble error={pointsError} title={ct("problem.load")} />
        )
      ) : hasClaims ? (
        <>
          {pointsError !== undefined && <Trouble error={pointsError} title={ct("problem.load")} />}
          <Course points={points} {...shownOf(drop, points, span, second)} />
        </>
      ) : (
        <p class="quiet">{ct(isRunning ? "live.noCourseYet" : "live.noCourse")}</p>
      )}
    </section>
  );
}

interface CourseProps {
  points: Point[];
  from: number;
  to: number;
}

function Course({ points, from, to }: CourseProps) {
  const [Charts, setCharts] = useState<ComponentType<CourseProps>>();
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    import("./charts").then(
      (module) => setCharts(() => module.default),
      () => setFailed(true),
    );
  }, []);
  const peak = busiest(points);
  const claims = points.reduce((sum, point) => sum + point.claims, 0);
  return (
    <>
      {peak && (
        <p class="quiet small course-words">
          {ctn("live.courseWords", claims, {
            peak: wholeNumber(peak.claims),
            length: durationWords(peak.seconds),
            time: clockOrDay(peak.at * 1000),
          })}
        </p>
      )}
      {Charts ? (
        <Charts points={points} from={from} to={to} />
      ) : (
        <div class="chart-wait">{failed && <p>{ct("live.noCharts")}</p>}</div>
      )}
      <details class="chart-table">
        <summary>{ct("live.asTable")}</summary>
        <Rows
          caption={ct("live.course")}
          tight
          items={minutes(points, TABLE_MINUTES)}
          keyOf={({ at }) => String(at)}
          columns={[
            { label: ct("live.from"), cell: ({ at }) => <span class="digits">{clockOrDay(at * 1000)}</span> },
            { label: ct("live.claims"), numeric: true, cell: (minute) => wholeNumber(minute.claims) },
            { label: ct("live.sold"), numeric: true, cell: (minute) => wholeNumber(minute.sold) },
            { label: ct("live.held"), numeric: true, cell: (minute) => wholeNumber(minute.held) },
            { label: ct("live.revenue"), numeric: true, cell: ({ revenueTotal }) => money(revenueTotal) },
            {
              label: ct("live.viewers"),
              numeric: true,
              cell: ({ viewers }) => (viewers === undefined ? "–" : wholeNumber(viewers)),
            },
          ]}
        />
      </details>
    </>
  );
}

function Items({ drop, nameOf }: { drop: Drop; nameOf: (sku: string) => string }) {
  return (
    <Rows
      caption={ct("live.items")}
      tight
      items={drop.items}
      keyOf={({ sku }) => sku}
      columns={[
        {
          label: ct("live.item"),
          cell: ({ sku }) => (
            <>
              {nameOf(sku)}
              {nameOf(sku) !== sku && <code class="sku small quiet">{sku}</code>}
            </>
          ),
        },
        { label: ct("product.price"), numeric: true, cell: ({ price }) => money(price) },
        { label: ct("drop.units"), numeric: true, cell: ({ quantity }) => wholeNumber(quantity) },
        { label: ct("live.available"), numeric: true, cell: ({ available }) => wholeNumber(available) },
        { label: ct("live.held"), numeric: true, cell: ({ held }) => wholeNumber(held) },
        { label: ct("live.sold"), numeric: true, cell: ({ sold }) => wholeNumber(sold) },
      ]}
    />
  );
}

function Rules({ drop }: { drop: Drop }) {
  return (
    <p class="quiet small rules">
      {[
        ctn("live.cap", drop.per_buyer_max),
        ctn("live.holdFor", Math.round(drop.hold_seconds / 60)),
        ct(`drop.audience.${drop.audience}`),
      ].join(" · ")}
    </p>
  );
}
