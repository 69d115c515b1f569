/** What an address and a password must be like before the server is asked. */
import { t } from "../i18n";

export const PASSWORD_LENGTH_MIN = 8;

export function faultOfEmail(email: string): string | undefined {
  return /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email.trim()) ? undefined : t("checkout.badEmail");
}
