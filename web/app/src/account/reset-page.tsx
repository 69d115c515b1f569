/** The page for a forgotten password: requests a link and, when opened through the link, sets a new password. */
import { useState } from "preact/hooks";
import { asShopError, call } from "../api";
import { t } from "../i18n";
import { location, navigate } from "../router";
import { Field } from "../ui/field";
import { errorText } from "../ui/load-state";
import { Notice } from "../ui/notice";
import { PageTitle } from "../ui/page-title";
import { faultOfEmail, faultOfPassword, PASSWORD_LENGTH_MIN } from "./rules";

export function ResetPage() {
  // In the fragment, so that the token is sent only in the request of this page.
  const token = new URLSearchParams(location.value.hash.slice(1)).get("token");
  return <div class="page narrow">{token ? <NewPassword key={token} token={token} /> : <AskForLink />}</div>;
}

function AskForLink() {
  const [email, setEmail] = useState("");
  const [sentTo, setSentTo] = useState<string>();
  const form = useForm(async () => {
    await call("create_password_reset", { body: { email: email.trim() } });
    setSentTo(email.trim());
  });
  if (sentTo !== undefined) {
    return (
      <>
        <PageTitle key="sent" plain={t("reset.sentTitle")} />
        <p role="status">{t("reset.sentText", { email: sentTo })}</p>
        <div class="actions">
          <button class="button second" type="button" onClick={() => setSentTo(undefined)}>
            {t("reset.again")}
          </button>
        </div>
      </>
    );
  }
  return (
    <>
      <PageTitle key="ask" plain={t("reset.askTitle")} />
      <p class="quiet">{t("reset.askText")}</p>
      <form class="account" noValidate onSubmit={(event) => form.submit(event, "email", faultOfEmail(email))}>
        <Field
          name="email"
          label={t("checkout.email")}
          type="email"
          autocomplete="email"
          value={email}
          onValue={setEmail}
          error={form.fault}
          maxLength={254}
        />
        <button class="button wide" type="submit" aria-disabled={form.working}>
          {t(form.working ? "account.working" : "reset.ask")}
        </button>
        {form.failed !== undefined && <Notice tone="bad" title={errorText(form.failed)} alert />}
      </form>
    </>
  );
}

function NewPassword({ token }: { token: string }) {
  const [password, setPassword] = useState("");
  const [isSet, setIsSet] = useState(false);
  const form = useForm(async () => {
    await call("set_password", { params: { token }, body: { password } });
    setIsSet(true);
  });
  if (isSet) {
    return (
      <>
        <PageTitle key="set" plain={t("reset.setTitle")} />
        <p role="status">{t("reset.setText")}</p>
        <div class="actions">
          <button class="button" type="button" onClick={() => navigate("/account", "replace")}>
            {t("nav.signIn")}
          </button>
        </div>
      </>
    );
  }
  const code = form.failed === undefined ? undefined : asShopError(form.failed).code;
  const weak = form.failed === undefined ? undefined : faultOfPassword(form.failed);
  const isOver = weak === undefined && (code === "reset_ended" || code === "not_found" || code === "invalid_request");
  const askAgain = (
    <button class="button" type="button" onClick={() => navigate("/reset-password", "replace")}>
      {t("reset.again")}
    </button>
  );
  return (
    <>
      <PageTitle key="new" plain={t("reset.newTitle")} />
      <p class="quiet">{t("reset.newText")}</p>
      <form
        class="account"
        noValidate
        onSubmit={(event) => form.submit(event, "password", password.length < PASSWORD_LENGTH_MIN ? t("account.short") : undefined)}
      >
        <Field
          name="password"
          label={t("reset.newPassword")}
          type="password"
          autocomplete="new-password"
          value={password}
          onValue={setPassword}
          error={form.fault ?? weak}
          hint={t("account.passwordHint")}
          maxLength={256}
        />
        <button class="button wide" type="submit" aria-disabled={form.working}>
          {t(form.working ? "account.working" : "reset.set")}
        </button>
        {isOver && (
          <Notice tone="warn" title={t("reset.overTitle")} actions={askAgain} alert>
            {t("reset.overText")}
          </Notice>
        )}
        {form.failed !== undefined && weak === undefined && !isOver && <Notice tone="bad" title={errorText(form.failed)} alert />}
      </form>
    </>
  );
}

/** The state of a form with one field: its error, whether a request is running, and the outcome. */
function useForm(send: () => Promise<void>) {
  const [working, setWorking] = useState(false);
  const [fault, setFault] = useState<string>();
  const [failed, setFailed] = useState<unknown>();
  const submit = async (event: Event, field: string, found: string | undefined) => {
    event.preventDefault();
    if (working) return;
    setFault(found);
    setFailed(undefined);
    if (found !== undefined) {
      document.getElementById(`field-${field}`)?.focus();
      return;
    }
    setWorking(true);
    try {
      await send();
    } catch (thrown) {
      setFailed(thrown);
    } finally {
      setWorking(false);
    }
  };
  return { working, fault, failed, submit };
}
