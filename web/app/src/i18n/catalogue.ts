import type { en } from "./en";

/** A text that depends on a number: one form for each plural category of the language. */
export type Plural = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

export type Key = keyof typeof en;
export type PluralKey = { [K in Key]: (typeof en)[K] extends string ? never : K }[Key];
export type TextKey = Exclude<Key, PluralKey>;

export type Catalogue = { readonly [K in TextKey]: string } & { readonly [K in PluralKey]: Plural };
