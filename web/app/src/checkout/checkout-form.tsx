import { useRef, useState } from "preact/hooks";
import { faultOfEmail } from "../account/rules";
import { money, t, tn, type TextKey } from "../i18n";
import { session } from "../session";
import { keep, recall } from "../storage";
import type { Address, Money } from "../types";
import { announce } from "../ui/announcer";
import { Field } from "../ui/field";
import { Icon } from "../ui/icon";
import { NoPayments } from "../ui/no-payments";
import type { Means } from "./checkout-desk";
import { CAN_PAY, HAS_TEST_CARDS } from "./providers";
import { countries, likelyCountry } from "./countries";

/** The sandbox provider's tokens. */
const CARDS = [
  ["tok_approve", "card.approve", "card.approveHint"],
  ["tok_challenge", "card.challenge", "card.challengeHint"],
  ["tok_slow", "card.slow", "card.slowHint"],
  ["tok_decline", "card.decline", "card.declineHint"],
  ["tok_unknown", "card.unknown", "card.unknownHint"],
] as const satisfies readonly (readonly [string, TextKey, TextKey])[];

type Contact = Omit<Address, "line2"> & { line2: string; email: string };
type Name = keyof Contact;

const REQUIRED: Name[] = ["email", "name", "line1", "postal_code", "city"];

interface Props {
  total: Money;
  /** On its way, or just answered: a tap now is not meant for what the button says now. */
  sending: boolean;
  onPay: (means: Means) => void;
  /** Told when the buyer leaves the total they agreed to. */
  expectedTotal: Money;
}

export function CheckoutForm({ total, sending, onPay, expectedTotal }: Props) {
  const form = useRef<HTMLFormElement>(null);
  const [contact, setContact] = useState<Contact>(rememberedContact);
  const [card, setCard] = useState<string>(CARDS[0][0]);
  const [errors, setErrors] = useState<Partial<Record<Name, string>>>({});

  const set = (name: Name) => (value: string) => {
    const next = { ...contact, [name]: value };
    setContact(next);
    // What was typed is there after a reload.
    keep("contact", next);
    if (errors[name]) setErrors({ ...errors, [name]: undefined });
  };

  const submit = (event: Event) => {
    event.preventDefault();
    if (sending) return;
    const found = faults(contact);
    setErrors(found);
    const first = REQUIRED.find((name) => found[name]);
    if (first) {
      announce(tn("checkout.fix", Object.keys(found).length));
      form.current?.querySelector<HTMLInputElement>(`[name="${first}"]`)?.focus();
      return;
    }
    const { email, line2, ...rest } = trimmed(contact);
    onPay({ email, address: line2 ? { ...rest, line2 } : rest, card, expectedTotal });
  };

  const field = (name: Name) => ({ name, value: contact[name], onValue: set(name), error: errors[name], maxLength: 254 });
  return (
    <form ref={form} class="checkout-form" noValidate onSubmit={submit}>
      <section>
        <h2>{t("checkout.contact")}</h2>
        <Field {...field("email")} label={t("checkout.email")} hint={t("checkout.emailHint")} type="email" autocomplete="email" inputMode="email" />
      </section>
      <section>
        <h2>{t("checkout.address")}</h2>
        <div class="fields">
          <Field {...field("name")} label={t("checkout.name")} autocomplete="name" />
          <Field {...field("line1")} label={t("checkout.line1")} autocomplete="address-line1" />
          <Field {...field("line2")} label={t("checkout.line2")} autocomplete="address-line2" required={false} />
          <Field {...field("postal_code")} label={t("checkout.postal")} autocomplete="postal-code" class="third" />
          <Field {...field("city")} label={t("checkout.city")} autocomplete="address-level2" class="two-thirds" />
          <div class="field">
            <label for="field-country">{t("checkout.country")}</label>
            <select
              id="field-country"
              autocomplete="country"
              value={contact.country}
              onChange={(event) => set("country")(event.currentTarget.value)}
            >
              {countries().map(([code, name]) => (
                <option key={code} value={code}>
                  {name}
                </option>
              ))}
            </select>
          </div>
        </div>
      </section>
      <fieldset>
        <legend>{t("checkout.payment")}</legend>
        {HAS_TEST_CARDS ? <p class="small quiet">{t("checkout.sandbox")}</p> : <NoPayments />}
        <div class="cards">
          {(HAS_TEST_CARDS ? CARDS : []).map(([token, name, hint]) => (
            <label key={token} class="pay-card">
              <input type="radio" name="card" value={token} checked={card === token} onChange={() => setCard(token)} />
              <span>
                <b>{t(name)}</b>
                <small class="quiet">{t(hint)}</small>
              </span>
            </label>
          ))}
        </div>
      </fieldset>
      <button class="button wide" type="submit" disabled={!CAN_PAY} aria-disabled={sending} data-tap="pay">
        <Icon name="lock" />
        {sending ? t("checkout.paying") : t("checkout.pay", { total: money(total) })}
      </button>
    </form>
  );
}

function rememberedContact(): Contact {
  const empty: Contact = { email: "", name: "", line1: "", line2: "", postal_code: "", city: "", country: likelyCountry() };
  const kept = recall<Partial<Contact>>("contact") ?? {};
  return { ...empty, ...kept, email: kept.email || session.value?.email || "" };
}

function faults(contact: Contact): Partial<Record<Name, string>> {
  const found: Partial<Record<Name, string>> = {};
  for (const name of REQUIRED) {
    if (contact[name].trim() === "") found[name] = t("checkout.missing");
  }
  const badEmail = found.email ? undefined : faultOfEmail(contact.email);
  if (badEmail !== undefined) found.email = badEmail;
  return found;
}

function trimmed(contact: Contact): Contact {
  return Object.fromEntries(Object.entries(contact).map(([name, value]) => [name, value.trim()])) as unknown as Contact;
}
