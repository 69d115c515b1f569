/** The vendor console: access control, the layout, and the table of pages. */
import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { PageProps } from "../app";
import { BRAND } from "../brand";
import { t } from "../i18n";
import mark from "../mark.svg";
import { match, path } from "../router";
import { Choices } from "../ui/choices";
import "../styles/console-forms.css";
import "../styles/console.css";
import "../styles/console-tables.css";
import "../styles/console-parts.css";
import { LoadFailed } from "../ui/load-state";
import { Notice } from "../ui/notice";
import { isStaff, learnWho, noteRefusal, sessionEnded, signOutStaff, staff, staffEmail } from "./client";
import { NotStaff, SignIn } from "./sign-in";
import { PageHead } from "./ui/page-head";
import { ct, wordsReady, type ConsoleTextKey } from "./words";

type Page = ComponentType<PageProps>;

/** The pages of the console, each loaded on first use. The first matching pattern wins. */
const PAGES: [pattern: string, load: () => Promise<Page>][] = [
  ["/console", async () => (await import("./overview-page")).OverviewPage],
  ["/console/products", async () => (await import("./products/products-page")).ProductsPage],
  ["/console/products/new", async () => (await import("./products/product-page")).NewProductPage],
  ["/console/products/:id", async () => (await import("./products/product-page")).ProductPage],
  ["/console/import", async () => (await import("./imports/import-page")).ImportPage],
  ["/console/stock", async () => (await import("./stock/stock-page")).StockPage],
  ["/console/drops", async () => (await import("./drops/drops-page")).DropsPage],
  ["/console/drops/new", async () => (await import("./drops/drop-form-page")).NewDropPage],
  ["/console/drops/:id", async () => (await import("./dashboard/drop-dashboard")).DropDashboard],
  ["/console/drops/:id/edit", async () => (await import("./drops/drop-form-page")).EditDropPage],
  ["/console/orders", async () => (await import("./orders/orders-page")).OrdersPage],
  ["/console/orders/:id", async () => (await import("./orders/order-page")).OrderPage],
];

const SECTIONS: [href: string, label: ConsoleTextKey, also?: string][] = [
  ["/console", "nav.overview"],
  ["/console/orders", "nav.orders"],
  ["/console/drops", "nav.drops"],
  ["/console/products", "nav.products", "/console/import"],
  ["/console/stock", "nav.stock"],
];

/** The pages that have been loaded; opening them again needs no wait. */
const fetched = new Map<string, Page>();

export async function loadConsole(): Promise<Page> {
  await wordsReady;
  return Console;
}

function Console(_: PageProps) {
  const who = staff.value;
  const inside = who !== undefined && isStaff(who);
  // When a session expires, unsaved input must not be lost: the page stays mounted below the sign-in form.
  const waits = useRef(false);
  waits.current = inside || (waits.current && sessionEnded.value);
  return (
    <div class="console">
      <a class="skip button" href="#console-page">
        {t("nav.skip")}
      </a>
      <Chrome inside={inside} />
      <div class="console-page" id="console-page" tabIndex={-1}>
        {!inside && (who ? <NotStaff /> : <SignIn />)}
        {waits.current && (
          <div key="page" hidden={!inside}>
            <CurrentPage />
          </div>
        )}
      </div>
      <Foot />
    </div>
  );
}

function Chrome({ inside }: { inside: boolean }) {
  const here = path.value;
  const subject = staff.value?.subject;
  useEffect(() => {
    if (subject && staffEmail.value === undefined) learnWho().catch(noteRefusal);
  }, [subject]);
  return (
    <header class="console-bar">
      <a class="brand" href="/console">
        <img src={mark} width="28" height="28" alt="" />
        <span class="console-brand">
          {BRAND} <small>{ct("nav.console")}</small>
        </span>
      </a>
      {inside && (
        <nav class="console-nav" aria-label={ct("nav.label")}>
          {SECTIONS.map(([href, label, also]) => {
            const current =
              href === "/console" ? here === href : here.startsWith(href) || (also && here.startsWith(also));
            return (
              <a key={href} href={href} {...(current ? { "aria-current": "page" as const } : {})}>
                {ct(label)}
              </a>
            );
          })}
        </nav>
      )}
      <div class="console-who">
        <a href="/">{ct("nav.toShop")}</a>
        {staff.value && (
          <>
            <span class="console-email" title={staffEmail.value}>
              {staffEmail.value ?? (inside ? ct("nav.byToken") : "")}
            </span>
            <button class="link-button" type="button" onClick={() => void signOutStaff()}>
              {t("account.signOut")}
            </button>
          </>
        )}
      </div>
    </header>
  );
}

function Foot() {
  return (
    <footer class="console-foot">
      <a href="/docs">{t("foot.api")}</a>
      <Choices />
    </footer>
  );
}

function CurrentPage() {
  const here = path.value;
  const found = PAGES.map(([pattern, load]) => ({ pattern, load, params: match(pattern, here) })).find(
    ({ params }) => params,
  );
  const [, setFetched] = useState("");
  const [error, setError] = useState<unknown>();
  const [attempt, setAttempt] = useState(0);
  const pattern = found?.pattern ?? "";
  const Ready = fetched.get(pattern);

  useEffect(() => {
    if (!found || fetched.has(pattern)) return;
    let stale = false;
    setError(undefined);
    found.load().then(
      (page) => {
        fetched.set(pattern, page);
        if (!stale) setFetched(pattern);
      },
      (thrown: unknown) => stale || setError(thrown),
    );
    return () => {
      stale = true;
    };
  }, [pattern, attempt]);

  if (!found?.params) {
    return (
      <>
        <PageHead title={t("error.notFound")} />
        <Notice
          title={t("error.notFoundText")}
          actions={
            <a class="button" href="/console">
              {ct("nav.overview")}
            </a>
          }
        />
      </>
    );
  }
  if (error !== undefined) return <LoadFailed error={error} onRetry={() => setAttempt(attempt + 1)} />;
  if (!Ready) return <div aria-busy="true" />;
  return <Ready key={here} params={found.params} />;
}
