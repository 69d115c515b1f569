/** The page of the mailed link: verifies that the e-mail address belongs to the account. */
import { useEffect, useState } from "preact/hooks";
import { asShopError, call } from "../api";
import { t } from "../i18n";
import { location } from "../router";
import { session } from "../session";
import { LoadNotice } from "../ui/load-state";
import { PageTitle } from "../ui/page-title";
import { lookAtAccount, SendAgain, unverified } from "./verification";

/** The codes for a link that was used, has expired, or is truncated. */
const OVER: readonly string[] = ["verification_ended", "invalid_request", "out_of_range", "not_found"];

export function VerifyPage() {
  // In the fragment, so that the token is sent only in the request of this page.
  const token = new URLSearchParams(location.value.hash.slice(1)).get("token");
  return <div class="page narrow">{token ? <Verifying key={token} token={token} /> : <Over />}</div>;
}

type Outcome = { kind: "done" | "already" | "over" } | { kind: "failed"; error: unknown };

function Verifying({ token }: { token: string }) {
  const [outcome, setOutcome] = useState<Outcome>();
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let stale = false;
    verify(token).then((found) => stale || setOutcome(found));
    return () => {
      stale = true;
    };
  }, [attempt]);
  switch (outcome?.kind) {
    case undefined:
      return (
        <>
          <PageTitle key="working" plain={t("verify.workingTitle")} />
          <p role="status">{t("account.working")}</p>
        </>
      );
    case "done":
    case "already":
      return (
        <>
          <PageTitle key="done" plain={t("verify.doneTitle")} />
          <p role="status">{t(outcome.kind === "done" ? "verify.doneText" : "verify.alreadyText")}</p>
          <div class="actions">
            <a class="button" href="/">
              {t("common.toShop")}
            </a>
          </div>
        </>
      );
    case "over":
      return <Over />;
    case "failed":
      return (
        <>
          <PageTitle key="failed" plain={t("error.title")} />
          <LoadNotice error={outcome.error} onRetry={() => setAttempt((before) => before + 1)} />
        </>
      );
  }
}

async function verify(token: string): Promise<Outcome> {
  try {
    await call("verify_email", { body: { token } });
    await lookAtAccount();
    return { kind: "done" };
  } catch (error) {
    if (!OVER.includes(asShopError(error).code)) return { kind: "failed", error };
    // A used link has done its work; if the visitor is signed in, the page shows whether the address is verified.
    return { kind: (await lookAtAccount()) === true ? "already" : "over" };
  }
}

function Over() {
  return (
    <>
      <PageTitle key="over" plain={t("reset.overTitle")} />
      <p role="status">{t("verify.overText")}</p>
      <div class="actions">
        {unverified.value === undefined ? (
          <a class="button" href="/account">
            {t(session.value?.role === undefined ? "nav.signIn" : "nav.account")}
          </a>
        ) : (
          <SendAgain />
        )}
      </div>
    </>
  );
}
