import { isProblem } from "@fusioncommerce/client";
import { useState } from "preact/hooks";
import { tooManyAttempts } from "../account/rules";
import { t } from "../i18n";
import { Field } from "../ui/field";
import { Notice } from "../ui/notice";
import { PageTitle } from "../ui/page-title";
import { sessionEnded, signInStaff, signOutStaff, staffEmail, useToken } from "./client";
import { problemText } from "./problems";
import { focusField } from "./ui/fields";
import { ct } from "./words";

export function SignIn() {
  return (
    <div class="console-sign-in">
      <PageTitle plain={ct("signIn.title")} />
      <p class="quiet">{ct("signIn.text")}</p>
      {sessionEnded.value && (
        <Notice tone="warn" title={ct("signIn.endedTitle")} alert>
          {ct("signIn.endedText")}
        </Notice>
      )}
      <PasswordForm />
      <details class="token-form">
        <summary>{ct("signIn.tokenTitle")}</summary>
        <TokenForm />
      </details>
    </div>
  );
}

function PasswordForm() {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [working, setWorking] = useState(false);
  const [missing, setMissing] = useState<{ email?: string; password?: string }>({});
  const [failed, setFailed] = useState<string>();

  const submit = async (event: Event) => {
    event.preventDefault();
    if (working) return;
    const found: typeof missing = {};
    if (!/^[^\s@]+@[^\s@]+$/.test(email.trim())) found.email = t("checkout.badEmail");
    if (password === "") found.password = t("checkout.missing");
    setMissing(found);
    setFailed(undefined);
    if (found.email || found.password) return focusField(found.email ? "staff-email" : "staff-password");
    setWorking(true);
    try {
      await signInStaff(email.trim(), password);
    } catch (thrown) {
      if (isProblem(thrown, "invalid_credentials")) setFailed(t("account.wrong"));
      else if (isProblem(thrown, "too_many_attempts")) setFailed(tooManyAttempts(thrown));
      else setFailed(problemText(thrown));
    } finally {
      setWorking(false);
    }
  };

  return (
    <form class="account" noValidate onSubmit={(event) => void submit(event)}>
      {failed && <Notice tone="bad" title={failed} alert />}
      <Field
        name="staff-email"
        label={t("checkout.email")}
        type="email"
        autocomplete="username"
        value={email}
        onValue={setEmail}
        error={missing.email}
        maxLength={254}
      />
      <Field
        name="staff-password"
        label={t("account.password")}
        type="password"
        autocomplete="current-password"
        value={password}
        onValue={setPassword}
        error={missing.password}
        maxLength={256}
      />
      <button class="button wide" type="submit" aria-disabled={working}>
        {t(working ? "account.working" : "account.signIn")}
      </button>
    </form>
  );
}

function TokenForm() {
  const [token, setToken] = useState("");
  const [working, setWorking] = useState(false);
  const [failed, setFailed] = useState<string>();

  const submit = async (event: Event) => {
    event.preventDefault();
    if (working) return;
    const plain = token.trim().replace(/^Bearer\s+/i, "");
    setFailed(undefined);
    if (plain === "") {
      setFailed(t("checkout.missing"));
      return focusField("token");
    }
    setWorking(true);
    try {
      await useToken(plain);
    } catch (thrown) {
      const refused = thrown instanceof TypeError || isProblem(thrown, "invalid_token", "authentication_required");
      setFailed(refused ? ct("signIn.tokenBad") : problemText(thrown));
      focusField("token");
    } finally {
      setWorking(false);
    }
  };

  return (
    <form class="account" noValidate onSubmit={(event) => void submit(event)}>
      <Field
        name="token"
        label={ct("signIn.token")}
        value={token}
        onValue={setToken}
        hint={ct("signIn.tokenHint")}
        error={failed}
        autocomplete="off"
        spellcheck={false}
      />
      <button class="button second" type="submit" aria-disabled={working}>
        {working ? t("account.working") : ct("signIn.useToken")}
      </button>
    </form>
  );
}

/** Shown to an account without access to the console. */
export function NotStaff() {
  const who = staffEmail.value;
  return (
    <div class="console-sign-in">
      <PageTitle plain={ct("signIn.forbiddenTitle")} />
      <Notice
        tone="warn"
        title={who ? ct("signIn.forbiddenAs", { email: who }) : ct("signIn.forbidden")}
        actions={
          <>
            <button class="button" type="button" onClick={() => void signOutStaff()}>
              {ct("signIn.other")}
            </button>
            <a class="button second" href="/">
              {t("common.toShop")}
            </a>
          </>
        }
      >
        {ct("signIn.forbiddenText")}
      </Notice>
    </div>
  );
}
