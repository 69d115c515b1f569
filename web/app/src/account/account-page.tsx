import { useState } from "preact/hooks";
import { asShopError, signIn, signOut, signUp } from "../api";
import { t } from "../i18n";
import { navigate } from "../router";
import { session } from "../session";
import { loadCart } from "../shop/cart";
import { Field } from "../ui/field";
import { errorText } from "../ui/load-state";
import { Notice } from "../ui/notice";
import { PageTitle } from "../ui/page-title";

const PASSWORD_LENGTH_MIN = 8;

export function AccountPage() {
  const email = session.value?.email;
  return <div class="page narrow">{email ? <SignedIn email={email} /> : <SignInOrUp />}</div>;
}

function SignedIn({ email }: { email: string }) {
  return (
    <>
      <PageTitle key="in" plain={t("account.hello")} />
      <p>{t("account.as", { email })}</p>
      <div class="actions">
        <a class="button" href="/orders">
          {t("order.list")}
        </a>
        <button class="button second" type="button" onClick={() => void signOut().catch(() => undefined)}>
          {t("account.signOut")}
        </button>
      </div>
    </>
  );
}

function SignInOrUp() {
  const [isNew, setNew] = useState(false);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [working, setWorking] = useState(false);
  const [errors, setErrors] = useState<{ email?: string; password?: string }>({});
  const [failed, setFailed] = useState<string>();

  const submit = async (event: Event) => {
    event.preventDefault();
    if (working) return;
    const found: typeof errors = {};
    if (!/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email.trim())) found.email = t("checkout.badEmail");
    if (isNew && password.length < PASSWORD_LENGTH_MIN) found.password = t("account.short");
    else if (password === "") found.password = t("checkout.missing");
    setErrors(found);
    setFailed(undefined);
    if (found.email || found.password) {
      document.getElementById(found.email ? "field-email" : "field-password")?.focus();
      return;
    }
    setWorking(true);
    try {
      await (isNew ? signUp : signIn)(email.trim(), password);
      void loadCart();
      if (history.length > 1) history.back();
      else navigate("/");
    } catch (thrown) {
      setFailed(refusal(thrown));
    } finally {
      setWorking(false);
    }
  };

  return (
    <>
      <PageTitle plain={t(isNew ? "account.signUpTitle" : "account.signInTitle")} />
      <p class="quiet">{t(isNew ? "account.signUpText" : "account.signInText")}</p>
      <form class="account" noValidate onSubmit={(event) => void submit(event)}>
        {failed && <Notice tone="bad" title={failed} alert />}
        <Field
          name="email"
          label={t("checkout.email")}
          type="email"
          autocomplete="email"
          value={email}
          onValue={setEmail}
          error={errors.email}
          maxLength={254}
        />
        <Field
          name="password"
          label={t("account.password")}
          type="password"
          autocomplete={isNew ? "new-password" : "current-password"}
          value={password}
          onValue={setPassword}
          error={errors.password}
          hint={isNew ? t("account.passwordHint") : undefined}
          maxLength={256}
        />
        <button class="button wide" type="submit" aria-disabled={working}>
          {t(working ? "account.working" : isNew ? "account.signUp" : "account.signIn")}
        </button>
        <button
          class="link-button"
          type="button"
          onClick={() => {
            setNew(!isNew);
            setErrors({});
            setFailed(undefined);
          }}
        >
          {t(isNew ? "account.toSignIn" : "account.toSignUp")}
        </button>
      </form>
    </>
  );
}

function refusal(thrown: unknown): string {
  const error = asShopError(thrown);
  switch (error.code) {
    case "invalid_credentials":
      return t("account.wrong");
    case "email_taken":
    case "already_customer":
      return t("account.taken");
    case "out_of_range":
      return t("checkout.badEmail");
    default:
      return errorText(error);
  }
}
