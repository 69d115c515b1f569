/** The console's texts: a separate catalogue, loaded with the console and never with the shop. */
import { effect, signal } from "@preact/signals";
import { language, type Language } from "../i18n";
import type { Plural } from "../i18n/catalogue";
import { consoleEn } from "../i18n/console-en";
import { wholeNumber } from "./format";

type Key = keyof typeof consoleEn;
export type ConsolePluralKey = { [K in Key]: (typeof consoleEn)[K] extends string ? never : K }[Key];
export type ConsoleTextKey = Exclude<Key, ConsolePluralKey>;
export type ConsoleCatalogue = { readonly [K in ConsoleTextKey]: string } & {
  readonly [K in ConsolePluralKey]: Plural;
};

const load: Record<Language, () => Promise<ConsoleCatalogue>> = {
  en: async () => consoleEn,
  pl: async () => (await import("../i18n/console-pl")).consolePl,
};

const catalogue = signal<ConsoleCatalogue>(consoleEn);
/** The language of `catalogue`: plural forms follow it while another language is loading. */
const spoken = signal<Language>("en");

async function speak(next: Language): Promise<void> {
  const words = await load[next]();
  if (language.value !== next) return;
  catalogue.value = words;
  spoken.value = next;
}

/** Resolves when the console's texts are available in the language of the shop. */
export const wordsReady = speak(language.value);

effect(() => {
  void speak(language.value);
});

type Values = Record<string, string | number>;

export function ct(key: ConsoleTextKey, values: Values = {}): string {
  return fill(catalogue.value[key], values);
}

/** Returns the form of `key` for `n`, with `{n}` filled in. */
export function ctn(key: ConsolePluralKey, n: number, values: Values = {}): string {
  const forms: Plural = catalogue.value[key];
  const rule = new Intl.PluralRules(spoken.value).select(n);
  return fill(forms[rule] ?? forms.other, { n: wholeNumber(n), ...values });
}

/** Formats a duration in its largest whole unit: `1 second`, `10 minutes`. */
export function durationWords(seconds: number): string {
  if (seconds % 86_400 === 0) return ctn("live.days", seconds / 86_400);
  if (seconds % 3600 === 0) return ctn("live.hours", seconds / 3600);
  if (seconds % 60 === 0) return ctn("live.minutes", seconds / 60);
  return ctn("live.seconds", seconds);
}

function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
