import { countryName } from "../checkout/countries";
import type { Order } from "../types";

/** Where a parcel goes, as it stands on one: the server knows each country's way. */
export function AddressLines({ order }: { order: Order }) {
  const country = order.shipping_address?.["country"];
  const lines = (order.shipping_lines ?? []).map((line) => (line === country ? countryName(line) : line));
  return (
    <address>
      {lines.map((line) => (
        <p key={line}>{line}</p>
      ))}
    </address>
  );
}
