/**
 * The notice above every page for an account whose e-mail address must be verified but is not, with a button for
 * another link.
 */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { asShopError, call } from "../api";
import { inTime, t } from "../i18n";
import { session } from "../session";
import { errorText } from "../ui/load-state";
import { Notice } from "../ui/notice";

/** The address that must be verified before the account can claim and buy. */
export const unverified = signal<string | undefined>(undefined);

/**
 * Reads the shop's requirements for the account. Returns whether its address is verified, or `undefined` without an
 * account.
 */
export async function lookAtAccount(): Promise<boolean | undefined> {
  const subject = session.peek()?.subject;
  if (session.peek()?.role === undefined) {
    unverified.value = undefined;
    return undefined;
  }
  try {
    const me = await call("get_me");
    if (session.peek()?.subject === subject) unverified.value = me.verification_required ? me.email : undefined;
    return me.verified;
  } catch {
    // No caller depends on the result: the next page reads it again.
    return undefined;
  }
}

export function Unverified() {
  const subject = session.value?.role === undefined ? undefined : session.value.subject;
  const email = unverified.value;
  useEffect(() => void lookAtAccount(), [subject]);
  useEffect(() => {
    // The link may have been followed in another tab.
    const look = () => document.hidden || void lookAtAccount();
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  if (email === undefined) return null;
  return (
    <div class="session-lost">
      <Notice tone="warn" title={t("verify.title")} actions={<SendAgain />}>
        {t("verify.text", { email })}
      </Notice>
    </div>
  );
}

/** The notice of an operation that was refused because the address is not verified. The notice above the page has the link. */
export function VerifyFirst() {
  // The shop may have begun to require it after the page was loaded.
  useEffect(() => void lookAtAccount(), []);
  return (
    <Notice tone="warn" title={t("verify.title")} alert>
      {t("verify.first")}
    </Notice>
  );
}

/** Requests another link and shows the outcome. */
export function SendAgain() {
  const [working, setWorking] = useState(false);
  const [message, setMessage] = useState<string>();
  const send = async () => {
    if (working) return;
    setWorking(true);
    setMessage(undefined);
    try {
      await call("create_verification_mail");
      setMessage(t("verify.sent"));
    } catch (thrown) {
      const error = asShopError(thrown);
      if (error.code === "not_allowed") await lookAtAccount();
      else if (error.code === "rate_limited") setMessage(t("verify.tooMany", { when: inTime(error.retryAfterMs ?? 1_000) }));
      else setMessage(errorText(error));
    } finally {
      setWorking(false);
    }
  };
  return (
    <>
      <button class="button" type="button" aria-disabled={working} onClick={() => void send()}>
        {t(working ? "account.working" : "verify.again")}
      </button>
      <span role="status">{message}</span>
    </>
  );
}
