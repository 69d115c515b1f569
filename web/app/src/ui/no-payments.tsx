import { CAN_PAY } from "../checkout/providers";
import { t } from "../i18n";
import { Notice } from "./notice";

/** A notice, before any claim or payment, that the shop cannot take payments. Nothing if it can. */
export function NoPayments() {
  if (CAN_PAY) return null;
  return (
    <div class="no-payments">
      <Notice tone="warn" title={t("pay.noneTitle")}>
        {t("pay.noneText")}
      </Notice>
    </div>
  );
}
