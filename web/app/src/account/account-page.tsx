import { useState } from "preact/hooks";
import { asShopError, call } from "../api";
import { t } from "../i18n";
import { back, location } from "../router";
import { session, signIn, signOut, signUp } from "../session";
import { loadCart } from "../shop/cart";
import { recall } from "../storage";
import { Field } from "../ui/field";
import { errorText } from "../ui/load-state";
import { Notice } from "../ui/notice";
import { confirmWith } from "../ui/toast";
import { PageTitle } from "../ui/page-title";
import { useLoad } from "../ui/use-load";
import { faultOfEmail, faultOfPassword, PASSWORD_LENGTH_MIN, tooManyAttempts } from "./rules";

export function AccountPage() {
  return <div class="page narrow">{session.value?.role ? <SignedIn /> : <SignInOrUp />}</div>;
}

function SignedIn() {
  const known = session.value?.email;
  const { value: me } = useLoad(known ?? "unknown", async () => (known === undefined ? call("get_me") : undefined));
  const email = known ?? me?.email;
  return (
    <>
      <PageTitle key="in" plain={t("account.hello")} />
      <p>{email ? t("account.as", { email }) : "\u00a0"}</p>
      <div class="actions">
        <a class="button" href="/orders">
          {t("order.list")}
        </a>
        <button class="button second" type="button" onClick={() => void signOut()}>
          {t("account.signOut")}
        </button>
      </div>
    </>
  );
}

function SignInOrUp() {
  // A confirmed order links here to create an account with the e-mail address of its receipt.
  const [isNew, setNew] = useState(location.value.searchParams.has("new"));
  const [email, setEmail] = useState(() => (isNew ? (recall<{ email?: string }>("contact")?.email ?? "") : ""));
  const [password, setPassword] = useState("");
  const [working, setWorking] = useState(false);
  const [errors, setErrors] = useState<{ email?: string; password?: string }>({});
  const [failed, setFailed] = useState<string>();

  const submit = async (event: Event) => {
    event.preventDefault();
    if (working) return;
    const found: typeof errors = {};
    const badEmail = faultOfEmail(email);
    if (badEmail !== undefined) found.email = badEmail;
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
      await (isNew ? signUp : signIn)({ email: email.trim(), password });
      void loadCart();
      confirmWith(t(isNew ? "account.made" : "account.signedIn", { email: email.trim() }));
      back("/");
    } catch (thrown) {
      const weak = isNew ? faultOfPassword(thrown) : undefined;
      if (weak === undefined) setFailed(refusal(thrown));
      else {
        setErrors({ password: weak });
        document.getElementById("field-password")?.focus();
      }
    } finally {
      setWorking(false);
    }
  };

  return (
    <>
      <PageTitle plain={t(isNew ? "account.signUpTitle" : "account.signInTitle")} />
      <p class="quiet">{t(isNew ? "account.signUpText" : "account.signInText")}</p>
      <form class="account" noValidate onSubmit={(event) => void submit(event)}>
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
        {/* Below the button of the request, so that the button does not move. */}
        {failed && <Notice tone="bad" title={failed} alert />}
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
        {!isNew && <a href="/reset-password">{t("reset.forgotten")}</a>}
      </form>
    </>
  );
}

function refusal(thrown: unknown): string {
  const error = asShopError(thrown);
  switch (error.code) {
    case "invalid_credentials":
      return t("account.wrong");
    case "too_many_attempts":
      return tooManyAttempts(error);
    case "email_taken":
    case "already_customer":
      return t("account.taken");
    case "out_of_range":
      return t("checkout.badEmail");
    default:
      return errorText(error);
  }
}
