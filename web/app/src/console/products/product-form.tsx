/** The fields of a product and of its variants. */
import { CURRENCIES } from "@fusioncommerce/client";
import { Field } from "../../ui/field";
import { Area, Select } from "../ui/fields";
import { ct } from "../words";
import { newVariant, optionNames, variantName, type ProductDraft, type VariantDraft } from "./product-draft";

const STATUSES = ["active", "draft", "archived"] as const;

interface Props {
  draft: ProductDraft;
  errors: Record<string, string>;
  onDraft: (draft: ProductDraft) => void;
  /** Whether the product is new. */
  isNew: boolean;
}

export function ProductForm({ draft, errors, onDraft, isNew }: Props) {
  const set = <K extends keyof ProductDraft>(name: K, value: ProductDraft[K]) => onDraft({ ...draft, [name]: value });
  const text = (name: "title" | "vendor" | "type" | "tags" | "options", hint?: string, required = false) => (
    <Field
      name={name}
      label={ct(`product.${name}`)}
      value={draft[name]}
      onValue={(value) => set(name, value)}
      error={errors[name]}
      hint={hint}
      required={required}
      maxLength={name === "tags" ? 4000 : 255}
    />
  );
  return (
    <div class="form-columns">
      <section class="sheet" aria-labelledby="what-head">
        <h2 id="what-head">{ct("product.whatHead")}</h2>
        {text("title", undefined, true)}
        <Area
          name="description"
          label={ct("product.description")}
          value={draft.description}
          onValue={(value) => set("description", value)}
          rows={6}
          hint={ct("product.descriptionHint")}
          maxLength={524_288}
        />
      </section>
      <section class="sheet" aria-labelledby="shelf-head">
        <h2 id="shelf-head">{ct("product.shelfHead")}</h2>
        <Select
          name="status"
          label={ct("product.status")}
          value={draft.status}
          onValue={(value) => set("status", value as ProductDraft["status"])}
          options={STATUSES.map((status) => [status, ct(`product.statusLong.${status}`)] as const)}
        />
        {text("type")}
        {text("vendor")}
        {text("tags", ct("product.commas"))}
      </section>
      <section class="sheet whole" aria-labelledby="variants-head">
        <h2 id="variants-head">{ct("product.variantsHead")}</h2>
        <div class="variants-top">
          {text("options", ct("product.optionsHint"))}
          {isNew && (
            <Select
              name="currency"
              label={ct("product.currency")}
              value={draft.currency}
              onValue={(value) => set("currency", value)}
              options={[...new Set([draft.currency, ...CURRENCIES])].map((code) => [code, code] as const)}
            />
          )}
        </div>
        <Variants draft={draft} errors={errors} onVariants={(variants) => set("variants", variants)} />
        {errors["variants"] && (
          <p class="field-error" id="field-variants" tabIndex={-1}>
            {errors["variants"]}
          </p>
        )}
        <button
          class="button second small-button"
          type="button"
          onClick={() => set("variants", [...draft.variants, newVariant()])}
        >
          {ct("product.addVariant")}
        </button>
      </section>
    </div>
  );
}

interface VariantsProps {
  draft: ProductDraft;
  errors: Record<string, string>;
  onVariants: (variants: VariantDraft[]) => void;
}

function Variants({ draft, errors, onVariants }: VariantsProps) {
  const names = optionNames(draft);
  const change = (key: string, edit: Partial<VariantDraft>) =>
    onVariants(draft.variants.map((variant) => (variant.key === key ? { ...variant, ...edit } : variant)));
  const remove = (variant: VariantDraft) =>
    variant.id
      ? change(variant.key, { removed: !variant.removed })
      : onVariants(draft.variants.filter(({ key }) => key !== variant.key));
  return (
    <>
      {draft.variants.map((variant, index) => {
        const name = variantName(variant, index);
        const field = (part: "price" | "compareAt" | "sku" | "stock", id: string, label: string, more: object = {}) => (
          <Field
            name={`${variant.key}-${id}`}
            label={label}
            value={variant[part]}
            onValue={(value) => change(variant.key, { [part]: value })}
            error={errors[`${variant.key}-${id}`]}
            disabled={variant.removed}
            autocomplete="off"
            {...more}
          />
        );
        return (
          <fieldset key={variant.key} class={variant.removed ? "variant removed" : "variant"}>
            <legend>{variant.removed ? ct("product.variantGoes", { name }) : name}</legend>
            <div class="variant-fields">
              {names.map((option, at) => (
                <Field
                  key={option}
                  name={`${variant.key}-option-${at}`}
                  label={option}
                  value={variant.values[at] ?? ""}
                  onValue={(value) =>
                    change(variant.key, { values: names.map((_, i) => (i === at ? value : (variant.values[i] ?? ""))) })
                  }
                  error={errors[`${variant.key}-option-${at}`]}
                  disabled={variant.removed}
                  maxLength={255}
                />
              ))}
              {field("price", "price", `${ct("product.price")} (${draft.currency})`, { inputMode: "decimal" })}
              {field("compareAt", "compare", ct("product.compareAt"), { inputMode: "decimal", required: false })}
              {field("sku", "sku", "SKU", {
                required: false,
                maxLength: 255,
                hint: variant.id ? undefined : ct("product.skuHint"),
              })}
              {!variant.id &&
                field("stock", "stock", ct("product.firstStock"), { inputMode: "numeric", required: false })}
            </div>
            <div class="variant-end">
              {variant.id && (
                <a class="small" href={`/console/stock?sku=${encodeURIComponent(variant.sku)}`}>
                  {ct("product.toStock")}
                </a>
              )}
              {(draft.variants.length > 1 || variant.removed) && (
                <button class="link-button small" type="button" onClick={() => remove(variant)}>
                  {variant.removed ? ct("product.keepVariant") : ct("product.removeVariant")}
                  <span class="unseen"> {name}</span>
                </button>
              )}
            </div>
          </fieldset>
        );
      })}
    </>
  );
}
