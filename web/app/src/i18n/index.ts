/**
 * Texts, amounts and times in the buyer's language. English is in the bundle; other languages are loaded when chosen.
 */
import { formatMoney } from "@fusioncommerce/client";
import { signal } from "@preact/signals";
import { keep, recall } from "../storage";
import type { Money } from "../types";
import type { Catalogue, Plural, PluralKey, TextKey } from "./catalogue";
import { en } from "./en";

export type { PluralKey, TextKey } from "./catalogue";

export const LANGUAGES = { en: "English", pl: "Polski" } as const;
export type Language = keyof typeof LANGUAGES;

const load: Record<Language, () => Promise<Catalogue>> = {
  en: async () => en,
  pl: async () => (await import("./pl")).pl,
};

export const language = signal<Language>("en");
const catalogue = signal<Catalogue>(en);

type Values = Record<string, string | number>;

export function t(key: TextKey, values: Values = {}): string {
  return fill(catalogue.value[key], values);
}

/** Returns the form of `key` for `n`, with `{n}` filled in. */
export function tn(key: PluralKey, n: number, values: Values = {}): string {
  const forms: Plural = catalogue.value[key];
  const rule = new Intl.PluralRules(language.value).select(n);
  return fill(forms[rule] ?? forms.other, { n: number(n), ...values });
}

function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Returns the language with the buyer's region, if the browser names one: `en-GB` formats 21:53, `en-US` 9:53 PM. */
export function locale(): string {
  return navigator.languages.find((tag) => tag.split("-")[0] === language.value) ?? language.value;
}

export function number(n: number): string {
  return new Intl.NumberFormat(locale()).format(n);
}

export function money(amount: Money): string {
  return formatMoney(amount, locale());
}

/** Formats a duration from now: in seconds below two minutes, otherwise in minutes. */
export function inTime(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1_000));
  const words = new Intl.RelativeTimeFormat(locale(), { numeric: "always" });
  return seconds < 120 ? words.format(seconds, "second") : words.format(Math.ceil(seconds / 60), "minute");
}

/** Formats a time of today as a time alone, other times with their day. */
export function time(instant: string): string {
  const date = new Date(instant);
  const today = new Date().toDateString() === date.toDateString();
  const day: Intl.DateTimeFormatOptions = today ? {} : { day: "numeric", month: "long" };
  return new Intl.DateTimeFormat(locale(), { ...day, hour: "2-digit", minute: "2-digit" }).format(date);
}

export async function speak(next: Language): Promise<void> {
  catalogue.value = await load[next]();
  language.value = next;
  document.documentElement.lang = next;
}

export function chooseLanguage(next: Language): void {
  keep("language", next);
  void speak(next);
}

/** Returns the language chosen before, otherwise the first supported language of the browser. */
export function firstLanguage(): Language {
  const known = (tag: string | undefined): tag is Language => tag !== undefined && tag in LANGUAGES;
  const chosen = recall<string>("language");
  if (known(chosen)) return chosen;
  return navigator.languages.map((tag) => tag.split("-")[0]).find(known) ?? "en";
}
