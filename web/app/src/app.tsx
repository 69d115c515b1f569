import type { ComponentType } from "preact";
import { computed } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { Unverified } from "./account/verification";
import { DropPage } from "./drop/drop-page";
import { Footer, Header, LineState, SessionLost } from "./layout";
import { t } from "./i18n";
import { match, path } from "./router";
import { CartDrawer } from "./shop/cart-drawer";
import { Announcer } from "./ui/announcer";
import { LoadFailed, NotFound } from "./ui/load-state";
import { Toast } from "./ui/toast";

export type PageProps = { params: Record<string, string> };
type PageModule = ComponentType<PageProps>;

/**
 * The pages of the shop, each loaded on first use. The drop page is in the main bundle, because there every second
 * counts. The first matching pattern wins.
 */
const PAGES: [pattern: string, load: () => Promise<PageModule>][] = [
  ["/", async () => (await import("./shop/home-page")).HomePage],
  ["/products/:id", async () => (await import("./shop/product-page")).ProductPage],
  ["/drops/:id", async () => DropPage],
  ["/drops/:id/checkout", async () => (await import("./checkout/drop-checkout-page")).DropCheckoutPage],
  ["/checkout", async () => (await import("./checkout/cart-checkout-page")).CartCheckoutPage],
  ["/orders", async () => (await import("./order/orders-page")).OrdersPage],
  ["/orders/:id", async () => (await import("./order/order-page")).OrderPage],
  ["/reset-password", async () => (await import("./account/reset-page")).ResetPage],
  ["/verify", async () => (await import("./account/verify-page")).VerifyPage],
  ["/account", async () => (await import("./account/account-page")).AccountPage],
];

/** The vendor console has separate pages and a separate layout. */
const CONSOLE = "/console";

const inConsole = computed(() => path.value === CONSOLE || path.value.startsWith(`${CONSOLE}/`));

async function loadConsole(): Promise<PageModule> {
  return (await import("./console/console")).loadConsole();
}

export function App() {
  if (inConsole.value) {
    return (
      <>
        <main id="content" tabIndex={-1}>
          <CurrentPage />
        </main>
        <Announcer />
      </>
    );
  }
  return (
    <>
      <a class="skip button" href="#content">
        {t("nav.skip")}
      </a>
      <Header />
      <main id="content" tabIndex={-1}>
        <SessionLost />
        <Unverified />
        <CurrentPage />
      </main>
      <Footer />
      <CartDrawer />
      <LineState />
      <Toast />
      <Announcer />
    </>
  );
}

type Shown = { at: string; Page: PageModule; params: Record<string, string> } | { at: string; error: unknown };

function CurrentPage() {
  const [shown, setShown] = useState<Shown>();
  const [attempt, setAttempt] = useState(0);
  // Within the console the component stays mounted and switches between its own pages.
  const here = inConsole.value ? CONSOLE : path.value;
  const pages: typeof PAGES = inConsole.value ? [[CONSOLE, loadConsole]] : PAGES;
  const found = pages.map(([pattern, load]) => ({ params: match(pattern, here), load })).find(({ params }) => params);

  useEffect(() => {
    let stale = false;
    const params = found?.params;
    if (!found || !params) return;
    found.load().then(
      (Page) => stale || setShown({ at: here, Page, params }),
      (error: unknown) => stale || setShown({ at: here, error }),
    );
    return () => {
      stale = true;
    };
  }, [here, attempt]);

  if (!found) return <NotFound />;
  if (!shown) return <div class="page" aria-busy="true" />;
  if ("error" in shown) return <LoadFailed error={shown.error} onRetry={() => setAttempt(attempt + 1)} />;
  // The previous page stays until the next one is loaded.
  return <shown.Page key={shown.at} params={shown.params} />;
}
