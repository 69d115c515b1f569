/** Where the shop sends parcels: named and sorted in the buyer's language. */
import { language } from "../i18n";

const CODES =
  "AE AR AT AU BE BG BR CA CH CL CN CO CY CZ DE DK EE EG ES FI FR GB GR HK HR HU ID IE IL IN IS IT JP KE KR LT LU LV MA MT MX MY NG NL NO NZ PE PH PL PT RO RS SA SE SG SI SK TH TR TW UA US VN ZA".split(
    " ",
  );

export function countries(): [code: string, name: string][] {
  const names = new Intl.DisplayNames(language.value, { type: "region" });
  return CODES.map((code): [string, string] => [code, names.of(code) ?? code]).sort((a, b) =>
    a[1].localeCompare(b[1], language.value),
  );
}

export function countryName(code: string): string {
  try {
    return new Intl.DisplayNames(language.value, { type: "region" }).of(code) ?? code;
  } catch {
    // Not a region's code: what the buyer once wrote is shown as it is.
    return code;
  }
}

/** The country that the browser's language names, if parcels go there. */
export function likelyCountry(): string {
  const region = navigator.languages.map((tag) => new Intl.Locale(tag).region).find((code) => code && CODES.includes(code));
  return region ?? "US";
}
