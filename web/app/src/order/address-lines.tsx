import { countryName } from "../checkout/countries";
import type { Order } from "../types";

/** A shipping address in the format of a label. The server knows the format of each country. */
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
