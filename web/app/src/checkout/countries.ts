/** Country names, sorted in the buyer's language. */
import { language } from "../i18n";

/** Returns codes with their names, sorted by name. */
export function named(codes: string[]): [code: string, name: string][] {
  return codes
    .map((code): [string, string] => [code, countryName(code)])
    .sort((a, b) => a[1].localeCompare(b[1], language.value));
}

export function countryName(code: string): string {
  try {
    return new Intl.DisplayNames(language.value, { type: "region" }).of(code) ?? code;
  } catch {
    // Not a region code: show the buyer's earlier input unchanged.
    return code;
  }
}

/** Returns the country of the browser's language. */
export function likelyCountry(): string {
  const regions = navigator.languages.map((tag) => new Intl.Locale(tag).region);
  return regions.find((code) => code && /^[A-Z]{2}$/.test(code)) ?? "US";
}
