/** Checks of an e-mail address and a password before they are sent. */
import { asShopError } from "../api";
import { inTime, t } from "../i18n";

export const PASSWORD_LENGTH_MIN = 8;

export function faultOfEmail(email: string): string | undefined {
  return /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email.trim()) ? undefined : t("checkout.badEmail");
}

/**
 * Returns the error of a new password from the server's response; `undefined` if the response is about something else.
 */
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

/** Returns the message that password attempts are blocked for a while: until when, and what the user can do. */
export function tooManyAttempts(thrown: unknown): string {
  return t("account.tooMany", { when: inTime(asShopError(thrown).retryAfterMs ?? 1_000) });
}
