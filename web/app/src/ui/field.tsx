import type { JSX } from "preact";
import { t } from "../i18n";

type Native = Omit<JSX.InputHTMLAttributes<HTMLInputElement>, "value" | "onInput" | "name">;

interface Props extends Native {
  name: string;
  label: string;
  value: string;
  onValue: (value: string) => void;
  hint?: string | undefined;
  error?: string | undefined;
  class?: string;
}

export function Field({ name, label, value, onValue, hint, error, required = true, class: extra = "", ...native }: Props) {
  const id = `field-${name}`;
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class={`field ${extra}`}>
      <label for={id}>
        {label}
        {!required && <span class="quiet"> ({t("common.optional")})</span>}
      </label>
      <input
        {...native}
        id={id}
        name={name}
        value={value}
        required={Boolean(required)}
        aria-invalid={error ? "true" : "false"}
        {...(described ? { "aria-describedby": described } : {})}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
      {error ? (
        <p class="field-error" id={`${id}-error`}>
          {error}
        </p>
      ) : (
        hint && (
          <p class="field-hint" id={`${id}-hint`}>
            {hint}
          </p>
        )
      )}
    </div>
  );
}
