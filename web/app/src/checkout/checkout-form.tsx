import { useEffect, useRef, useState } from "preact/hooks";
import { faultOfEmail } from "../account/rules";
import { money, t, tn, type TextKey } from "../i18n";
import { session } from "../session";
import { keep, recall } from "../storage";
import type { AddressField, FieldError, Money } from "../types";
import { announce } from "../ui/announcer";
import { Field } from "../ui/field";
import { Icon } from "../ui/icon";
import { NoPayments } from "../ui/no-payments";
import type { Means } from "./checkout-flow";
import { AddressFields } from "./address-fields";
import { useAddressRows } from "./address-format";
import { likelyCountry } from "./countries";
import { CAN_PAY, HAS_TEST_CARDS } from "./providers";

/** The tokens of the sandbox provider. */
const CARDS = [
  ["tok_approve", "card.approve", "card.approveHint"],
  ["tok_challenge", "card.challenge", "card.challengeHint"],
  ["tok_slow", "card.slow", "card.slowHint"],
  ["tok_decline", "card.decline", "card.declineHint"],
  ["tok_unknown", "card.unknown", "card.unknownHint"],
] as const satisfies readonly (readonly [string, TextKey, TextKey])[];

/** The e-mail address, the country, and the fields of the country's form. */
type Contact = Record<string, string> & { email: string; country: string };

interface Props {
  /** The total from the server; the buyer cannot pay before it is shown. */
  total: Money | undefined;
  /**
   * Whether a request is running or its response has just arrived: a tap now is not meant for the button's new label.
   */
  sending: boolean;
  onPay: (means: Means) => void;
  /** The fields that the server rejected. */
  refused: FieldError[];
}

export function CheckoutForm({ total, sending, onPay, refused }: Props) {
  const form = useRef<HTMLFormElement>(null);
  const [contact, setContact] = useState<Contact>(rememberedContact);
  const [card, setCard] = useState<string>(CARDS[0][0]);
  const [errors, setErrors] = useState<Partial<Record<string, string>>>({});
  const rows = useAddressRows(contact.country);
  const fields = rows?.flat() ?? [];
  useEffect(() => setErrors(refusals(refused, fields)), [refused]);

  const set = (name: string) => (value: string) => {
    const next: Contact = { ...contact, [name]: value };
    setContact(next);
    // The input is kept for a reload.
    keep("contact", next);
    if (errors[name]) setErrors({ ...errors, [name]: undefined });
  };

  const submit = (event: Event) => {
    event.preventDefault();
    if (sending || !total) return;
    const found = faults(contact, fields);
    setErrors(found);
    const first = ["email", ...fields.map((field) => field.name)].find((name) => found[name]);
    if (first) {
      announce(tn("checkout.fix", Object.keys(found).length));
      form.current?.querySelector<HTMLElement>(`[name="${first}"]`)?.focus();
      return;
    }
    const filled = fields.map(({ name }) => [name, (contact[name] ?? "").trim()] as const).filter(([, text]) => text !== "");
    const address = { ...Object.fromEntries(filled), country: contact.country };
    onPay({ email: contact.email.trim(), address, card, expectedTotal: total });
  };

  if (!rows) return <div aria-busy="true" />;
  return (
    <form ref={form} class="checkout-form" noValidate onSubmit={submit}>
      <section>
        <h2>{t("checkout.contact")}</h2>
        <Field
          name="email"
          value={contact.email}
          onValue={set("email")}
          error={errors["email"]}
          maxLength={254}
          label={t("checkout.email")}
          hint={t("checkout.emailHint")}
          type="email"
          autocomplete="email"
          inputMode="email"
        />
      </section>
      <section>
        <h2>{t("checkout.address")}</h2>
        <AddressFields rows={rows} values={contact} errors={errors} set={set} />
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
      <button class="button wide" type="submit" disabled={!CAN_PAY} aria-disabled={sending || !total} data-tap="pay">
        <Icon name="lock" />
        {sending ? t("checkout.paying") : total ? t("checkout.pay", { total: money(total) }) : t("checkout.pricing")}
      </button>
    </form>
  );
}

function rememberedContact(): Contact {
  const stored = recall<Record<string, string>>("contact") ?? {};
  return { ...stored, country: stored["country"] || likelyCountry(), email: stored["email"] || session.value?.email || "" };
}

function faults(contact: Contact, fields: AddressField[]): Partial<Record<string, string>> {
  const found: Partial<Record<string, string>> = {};
  for (const { name, required, options } of fields) {
    const value = (contact[name] ?? "").trim();
    const isOpen = options ? !options.some((option) => option.key === value) : value === "";
    if (required && isOpen) found[name] = t("checkout.missing");
  }
  if (contact.email.trim() === "") found["email"] = t("checkout.missing");
  const badEmail = found["email"] ? undefined : faultOfEmail(contact.email);
  if (badEmail !== undefined) found["email"] = badEmail;
  return found;
}

/** Assigns the server's errors to their fields. */
function refusals(refused: FieldError[], fields: AddressField[]): Partial<Record<string, string>> {
  const found: Partial<Record<string, string>> = {};
  for (const { pointer, code } of refused) {
    const name = pointer.replace(/^\/(shipping_address\/)?/, "");
    const example = fields.find((field) => field.name === name)?.example;
    found[name] = code === "missing" ? t("checkout.missing") : example ? t("checkout.badPostal", { example }) : t("checkout.badField");
  }
  return found;
}
