/** The layout around every page: header, footer, and notices about the connection and the session. */
import { BRAND } from "./brand";
import { CAN_PAY, HAS_TEST_CARDS } from "./checkout/providers";
import { t, tn } from "./i18n";
import { line } from "./live";
import mark from "./mark.svg";
import { path } from "./router";
import { goOnAsGuest, session, sessionLost } from "./session";
import { cartCount, cartOpen } from "./shop/cart";
import { Choices } from "./ui/choices";
import { Icon } from "./ui/icon";
import { Notice } from "./ui/notice";

export function Header() {
  const here = path.value;
  const current = (fits: boolean) => (fits ? { "aria-current": "page" as const } : {});
  const count = cartCount.value;
  return (
    <header class="head">
      <div class="head-row">
        <a class="brand" href="/">
          <img src={mark} width="32" height="32" alt="" />
          <span>{BRAND}</span>
        </a>
        <nav aria-label={t("nav.main")}>
          <a href="/" {...current(here === "/" || here.startsWith("/products"))}>
            {t("nav.shop")}
          </a>
          <a href="/orders" {...current(here.startsWith("/orders"))}>
            {t("nav.orders")}
          </a>
        </nav>
        <div class="head-tools">
          <a class="icon-button" href="/account" aria-label={session.value?.role ? t("nav.account") : t("nav.signIn")}>
            <Icon name="user" />
          </a>
          <button
            class="icon-button"
            type="button"
            aria-label={tn("nav.cart", count)}
            aria-haspopup="dialog"
            onClick={() => {
              cartOpen.value = true;
            }}
          >
            <Icon name="cart" />
            {count > 0 && (
              <span class="count" aria-hidden="true">
                {count}
              </span>
            )}
          </button>
        </div>
      </div>
    </header>
  );
}

export function Footer() {
  return (
    <footer class="foot">
      <div class="foot-row">
        <div class="foot-words">
          <p>{t("foot.promise")}</p>
          <p>
            {!CAN_PAY ? t("pay.noneTitle") : HAS_TEST_CARDS && t("foot.sandbox")} <a href="/docs">{t("foot.api")}</a>
          </p>
        </div>
        <Choices />
      </div>
    </footer>
  );
}

export function LineState() {
  const state = line.value;
  return (
    <div role="status">
      {state !== "live" && (
        <p class="line-state">
          <Icon name={state === "offline" ? "alert" : "clock"} />
          {t(state === "offline" ? "line.offline" : "line.reconnecting")}
        </p>
      )}
    </div>
  );
}

export function SessionLost() {
  if (!sessionLost.value) return null;
  const actions = (
    <>
      <a class="button" href="/account">
        {t("nav.signIn")}
      </a>
      <button class="button second" type="button" onClick={goOnAsGuest}>
        {t("session.asGuest")}
      </button>
    </>
  );
  return (
    <div class="session-lost">
      <Notice tone="warn" title={t("session.lostTitle")} actions={actions} alert>
        {t("session.lostText")}
      </Notice>
    </div>
  );
}
