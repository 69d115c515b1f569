import { countryName } from "../checkout/countries";
import type { Address } from "../types";

/** Where a parcel goes, as it stands on one. */
export function AddressLines({ to }: { to: unknown }) {
  const { name, line1, line2, postal_code, city, country } = to as Partial<Address>;
  const town = [postal_code, city].filter(Boolean).join(" ");
  const lines = [name, line1, line2, town, country && countryName(country)].filter(Boolean);
  return (
    <address>
      {lines.map((line) => (
        <p key={line}>{line}</p>
      ))}
    </address>
  );
}
