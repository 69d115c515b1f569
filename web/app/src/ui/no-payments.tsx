import { CAN_PAY } from "../checkout/providers";
import { t } from "../i18n";
import { Notice } from "./notice";

/** Says before anything is claimed or paid that nothing can be. Nothing where it can. */
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
