/** Fields for units of an order's lines: for a parcel or a refund. */
import type { Order } from "@fusioncommerce/client";
import { wholeNumber } from "../format";
import { ct } from "../words";

export type OrderLine = Order["lines"][number];

/** The typed units, by line id. */
export type Typed = Record<string, string>;

/** Returns the number typed for a line; `undefined` if it is not a number from 0 to `most`. */
export function unitsOf(typed: string | undefined, most: number): number | undefined {
  const text = (typed ?? "").trim();
  if (text === "") return 0;
  const units = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  return units <= most ? units : undefined;
}

/** Returns the lines with typed units; `undefined` if one of them is invalid. */
export function typedLines(lines: readonly OrderLine[], typed: Typed, most: (line: OrderLine) => number) {
  const chosen: { line_id: string; quantity: number }[] = [];
  for (const line of lines) {
    const quantity = unitsOf(typed[line.id], most(line));
    if (quantity === undefined) return undefined;
    if (quantity > 0) chosen.push({ line_id: line.id, quantity });
  }
  return chosen;
}

interface Props {
  legend: string;
  lines: readonly OrderLine[];
  most: (line: OrderLine) => number;
  typed: Typed;
  onTyped: (typed: Typed) => void;
  error?: string | undefined;
}

/** A number field for each line with units left. */
export function UnitFields({ legend, lines, most, typed, onTyped, error }: Props) {
  return (
    <fieldset class="unit-fields" aria-invalid={error ? "true" : "false"}>
      <legend class="field-label">{legend}</legend>
      {lines
        .filter((line) => most(line) > 0)
        .map((line) => (
          <div key={line.id} class="unit-field">
            <label for={`units-${line.id}`}>
              {line.title}
              <LineOptions line={line} />
              <code class="sku small quiet">{line.sku}</code>
            </label>
            <input
              id={`units-${line.id}`}
              inputMode="numeric"
              autocomplete="off"
              value={typed[line.id] ?? "0"}
              aria-invalid={unitsOf(typed[line.id], most(line)) === undefined ? "true" : "false"}
              onInput={(event) => onTyped({ ...typed, [line.id]: event.currentTarget.value })}
            />
            <span class="small quiet">{ct("order.ofUnits", { units: wholeNumber(most(line)) })}</span>
          </div>
        ))}
      {error && <p class="field-error">{error}</p>}
    </fieldset>
  );
}

/** The options that the buyer chose, for packing. */
export function LineOptions({ line }: { line: OrderLine }) {
  if (line.options.length === 0) return null;
  return (
    <span class="line-options small">
      {line.options.map(({ name, value }) => (
        <span key={name}>
          {name}: <strong>{value}</strong>
        </span>
      ))}
    </span>
  );
}
