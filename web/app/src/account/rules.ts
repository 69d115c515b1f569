/** What an address and a password must be like before the server is asked. */
import { asShopError } from "../api";
import { inTime, t } from "../i18n";

export const PASSWORD_LENGTH_MIN = 8;

export function faultOfEmail(email: string): string | undefined {
  return /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email.trim()) ? undefined : t("checkout.badEmail");
}

/** What is wrong with a new password, as the shop's answer says; nothing if that is about something else. */
export function faultOfPassword(thrown: unknown): string | undefined {
  const found = asShopError(thrown).problem?.errors?.find(({ pointer }) => pointer === "/password");
  switch (found?.code) {
    case undefined:
      return undefined;
    case "too_common":
      return t("account.tooCommon");
    case "too_guessable":
      return t("account.tooGuessable");
    default:
      return t("account.short");
  }
}

/** That passwords are not looked at for a while: when they are again, and what one can do. */
export function tooManyAttempts(thrown: unknown): string {
  return t("account.tooMany", { when: inTime(asShopError(thrown).retryAfterMs ?? 1_000) });
}
