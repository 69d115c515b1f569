import { call } from "../api";
import { money, t, time, type TextKey } from "../i18n";
import { session, sessionLost } from "../session";
import type { Order } from "../types";
import { LoadFailed } from "../ui/load-state";
import { Notice } from "../ui/notice";
import { PageTitle } from "../ui/page-title";
import { useLoad } from "../ui/use-load";

export function OrdersPage() {
  const subject = session.value?.subject;
  const { value, error, retry } = useLoad(subject ?? "nobody", async () =>
    subject ? (await call("list_orders", { params: { limit: 50 } })).items : [],
  );
  if (error !== undefined) return <LoadFailed error={error} onRetry={retry} />;
  return (
    <div class="page narrow">
      <PageTitle plain={t("order.list")} />
      {!value && <div aria-busy="true" />}
      {value?.length === 0 && (
        <div class="panel">
          <Notice
            title={t(sessionLost.value ? "session.lostTitle" : session.value?.role ? "order.none" : "order.noneHere")}
            actions={
              <>
                <a class="button" href="/">
                  {t("common.toShop")}
                </a>
                {!session.value?.role && (
                  <a class="button second" href="/account">
                    {t("nav.signIn")}
                  </a>
                )}
              </>
            }
          >
            {t(sessionLost.value ? "session.lostText" : session.value?.role ? "order.noneText" : "order.noneHereText")}
          </Notice>
        </div>
      )}
      <ul role="list">
        {value?.map((order) => (
          <li key={order.id} class="order-row">
            <div>
              <a class="goods-title digits" href={`/orders/${order.id}`}>
                {t("order.title", { number: order.number })}
              </a>
              <p class="small quiet">{t("order.placed", { time: time(order.placed_at) })}</p>
            </div>
            <div>
              <span class="badge">{t(standing(order))}</span> <span class="digits">{money(order.totals.total)}</span>
            </div>
          </li>
        ))}
      </ul>
    </div>
  );
}

function standing(order: Order): TextKey {
  if (order.cancelled_at) return "order.cancelled";
  if (order.totals.refunded.amount > 0) {
    return order.totals.refunded.amount < order.totals.total.amount ? "order.partlyRefunded" : "order.refunded";
  }
  if (order.fulfilled_at) return "order.sent";
  return order.paid_at ? "order.packed" : "order.pending";
}
