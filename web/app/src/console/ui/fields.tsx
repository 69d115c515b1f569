/** Form fields other than a single line of text, which is in `ui/field.tsx`. */
import type { ComponentChildren, JSX } from "preact";
import { t } from "../../i18n";
import { dayTimeUtc, fromLocalField, zoneName } from "../format";
import { Field } from "../../ui/field";
import { ct } from "../words";

interface AreaProps {
  name: string;
  label: string;
  value: string;
  onValue: (value: string) => void;
  rows?: number;
  hint?: string;
  error?: string | undefined;
  required?: boolean;
  maxLength?: number;
}

export function Area({ name, label, value, onValue, rows = 4, hint, error, required = false, maxLength }: AreaProps) {
  const id = `field-${name}`;
  const note = error ?? hint;
  return (
    <div class="field">
      <label for={id}>
        {label}
        {!required && <span class="quiet"> ({t("common.optional")})</span>}
      </label>
      <textarea
        id={id}
        name={name}
        rows={rows}
        value={value}
        required={required}
        {...(maxLength ? { maxLength } : {})}
        aria-invalid={error ? "true" : "false"}
        {...(note ? { "aria-describedby": `${id}-note` } : {})}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
      {note && (
        <p class={error ? "field-error" : "field-hint"} id={`${id}-note`}>
          {note}
        </p>
      )}
    </div>
  );
}

interface SelectProps {
  name: string;
  label: string;
  value: string;
  onValue: (value: string) => void;
  options: readonly (readonly [value: string, label: string])[];
  disabled?: boolean;
}

export function Select({ name, label, value, onValue, options, disabled = false }: SelectProps) {
  const id = `field-${name}`;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        name={name}
        value={value}
        disabled={disabled}
        onChange={(event) => onValue(event.currentTarget.value)}
      >
        {options.map(([option, words]) => (
          <option key={option} value={option}>
            {words}
          </option>
        ))}
      </select>
    </div>
  );
}

interface TickProps {
  name: string;
  label: ComponentChildren;
  checked: boolean;
  onChecked: (checked: boolean) => void;
  hint?: string;
  disabled?: boolean;
}

export function Tick({ name, label, checked, onChecked, hint, disabled = false }: TickProps) {
  const id = `field-${name}`;
  return (
    <div class="tick">
      <input
        id={id}
        name={name}
        type="checkbox"
        checked={checked}
        disabled={disabled}
        {...(hint ? { "aria-describedby": `${id}-hint` } : {})}
        onChange={(event) => onChecked(event.currentTarget.checked)}
      />
      <div>
        <label for={id}>{label}</label>
        {hint && (
          <p class="field-hint" id={`${id}-hint`}>
            {hint}
          </p>
        )}
      </div>
    </div>
  );
}

interface ChoiceProps<V extends string> {
  name: string;
  legend: string;
  value: V;
  onValue: (value: V) => void;
  options: readonly (readonly [value: V, label: string])[];
}

/** A choice of one of a few values, side by side. */
export function Choice<V extends string>({ name, legend, value, onValue, options }: ChoiceProps<V>) {
  return (
    <fieldset class="choice">
      <legend class="field-label">{legend}</legend>
      <div class="choice-options">
        {options.map(([option, label]) => (
          <label key={option}>
            <input
              type="radio"
              name={name}
              value={option}
              checked={option === value}
              onChange={() => onValue(option)}
            />
            <span>{label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

interface MomentProps {
  name: string;
  label: string;
  /** The value in the format of a `datetime-local` field. */
  value: string;
  onValue: (value: string) => void;
  error?: string | undefined;
  required?: boolean;
}

/** A field for day and time in the browser's time zone; the same instant in UTC is shown below. */
export function Moment({ name, label, value, onValue, error, required = true }: MomentProps) {
  const instant = fromLocalField(value);
  const hint = instant
    ? ct("field.utc", { utc: dayTimeUtc(instant), zone: zoneName() })
    : ct("field.zone", { zone: zoneName() });
  const native: JSX.InputHTMLAttributes<HTMLInputElement> = { type: "datetime-local", step: 60 };
  return (
    <Field
      {...(native as object)}
      name={name}
      label={label}
      value={value}
      onValue={onValue}
      hint={hint}
      error={error}
      required={required}
    />
  );
}

/** Scrolls to the first invalid field and focuses it. */
export function focusField(name: string): void {
  requestAnimationFrame(() => document.getElementById(`field-${name}`)?.focus());
}

interface SearchProps {
  name: string;
  label: string;
  value: string;
  onValue: (value: string) => void;
  placeholder?: string;
}

export function SearchField({ name, label, value, onValue, placeholder }: SearchProps) {
  const id = `field-${name}`;
  return (
    <div class="field search-field">
      <label for={id}>{label}</label>
      <input
        id={id}
        name={name}
        type="search"
        value={value}
        maxLength={255}
        autocomplete="off"
        {...(placeholder ? { placeholder } : {})}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
    </div>
  );
}
