/** The address format of each country, from the server, which also validates it. */
import { useEffect, useState } from "preact/hooks";
import { call } from "../api";
import type { AddressField, AddressFormat } from "../types";

/** The form if the country's own cannot be loaded. The server validates the input. */
const PLAIN: AddressField[] = [
  { name: "name", row: 0, required: true },
  { name: "line1", row: 1, required: true },
  { name: "line2", row: 2, required: false },
  { name: "postal_code", row: 3, required: false, kind: "postal" },
  { name: "city", row: 3, required: false, kind: "city" },
];

const formats = new Map<string, AddressFormat>();
let countries: string[] | undefined;

/**
 * Returns the rows of a country's form; `undefined` until the first form is loaded. Later the previous form stays until
 * the next is loaded, so that a form appears as a whole and changes only when another country is chosen.
 */
export function useAddressRows(country: string): AddressField[][] | undefined {
  const [fields, setFields] = useState(formats.get(country)?.fields);
  useEffect(() => {
    let isCurrent = true;
    const show = (next: AddressField[]) => isCurrent && setFields(next);
    const known = formats.get(country);
    if (known) show(known.fields);
    else {
      call("get_address_format", { params: { country } })
        .then((format) => {
          formats.set(country, format);
          show(format.fields);
        })
        .catch(() => show(PLAIN));
    }
    return () => {
      isCurrent = false;
    };
  }, [country]);
  if (!fields) return undefined;
  const rows: AddressField[][] = [];
  for (const field of fields) (rows[field.row] ??= []).push(field);
  return rows;
}

/** Returns the countries to which the shop ships; until they are loaded, only the chosen one. */
export function useCountries(chosen: string): string[] {
  const [loaded, setLoaded] = useState(countries);
  useEffect(() => {
    if (countries) return;
    void call("list_address_countries", {})
      .then((answer) => {
        countries = answer.countries;
        setLoaded(answer.countries);
      })
      .catch(() => {});
  }, []);
  if (!loaded) return [chosen];
  return loaded.includes(chosen) ? loaded : [chosen, ...loaded];
}
