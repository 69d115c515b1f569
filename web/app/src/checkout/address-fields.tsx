/** The fields of an address, in the order of its country. */
import { t, type TextKey } from "../i18n";
import type { AddressField } from "../types";
import { Field } from "../ui/field";
import { named } from "./countries";
import { useCountries } from "./address-format";

interface Props {
  rows: AddressField[][];
  values: Record<string, string>;
  errors: Partial<Record<string, string>>;
  set: (name: string) => (value: string) => void;
}

const AUTOCOMPLETE: Record<AddressField["name"], string> = {
  name: "name",
  line1: "address-line1",
  line2: "address-line2",
  district: "address-level3",
  city: "address-level2",
  region: "address-level1",
  postal_code: "postal-code",
};

const PLAIN_LABELS: Partial<Record<AddressField["name"], TextKey>> = {
  name: "checkout.name",
  line1: "checkout.line1",
  line2: "checkout.line2",
};

export function AddressFields({ rows, values, errors, set }: Props) {
  const country = values["country"] ?? "";
  const codes = useCountries(country);
  return (
    <div class="fields">
      <div class="field">
        <label for="field-country">{t("checkout.country")}</label>
        <select
          id="field-country"
          name="country"
          autocomplete="country"
          value={country}
          onChange={(event) => set("country")(event.currentTarget.value)}
        >
          {named(codes).map(([code, name]) => (
            <option key={code} value={code}>
              {name}
            </option>
          ))}
        </select>
      </div>
      {rows.map((row) =>
        row.map((field) => (
          <AddressInput
            key={field.name}
            field={field}
            value={values[field.name] ?? ""}
            onValue={set(field.name)}
            error={errors[field.name]}
            width={widthOf(field, row)}
          />
        )),
      )}
    </div>
  );
}

/** A postal code is narrow; other fields in a row have equal widths. */
function widthOf(field: AddressField, row: AddressField[]): string {
  if (row.length === 1) return "";
  if (row.length > 2) return "third";
  if (!row.some((one) => one.name === "postal_code")) return "half";
  return field.name === "postal_code" ? "third" : "two-thirds";
}

interface InputProps {
  field: AddressField;
  value: string;
  onValue: (value: string) => void;
  error: string | undefined;
  width: string;
}

function AddressInput({ field, value, onValue, error, width }: InputProps) {
  const label = t(PLAIN_LABELS[field.name] ?? (`address.${field.kind ?? "region"}` as TextKey));
  const common = { name: field.name, autocomplete: AUTOCOMPLETE[field.name] };
  if (!field.options) {
    return (
      <Field {...common} label={label} value={value} onValue={onValue} error={error} required={field.required} maxLength={254} class={width} />
    );
  }
  const id = `field-${field.name}`;
  // A value typed for another country is not valid for this one.
  const known = field.options.some((option) => option.key === value);
  return (
    <div class={`field ${width}`}>
      <label for={id}>
        {label}
        {!field.required && <span class="quiet"> ({t("common.optional")})</span>}
      </label>
      <select
        {...common}
        id={id}
        value={known ? value : ""}
        aria-invalid={error ? "true" : "false"}
        {...(error ? { "aria-describedby": `${id}-error` } : {})}
        onChange={(event) => onValue(event.currentTarget.value)}
      >
        <option value="">{t("address.choose")}</option>
        {field.options.map((option) => (
          <option key={option.key} value={option.key}>
            {option.latin_name ?? option.name}
          </option>
        ))}
      </select>
      {error && (
        <p class="field-error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}
