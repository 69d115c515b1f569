/** The fields of a drop that has not opened: its items, its times, and its audience. */
import type { Levels, Product } from "@fusioncommerce/client";
import { useEffect, useState } from "preact/hooks";
import { Field } from "../../ui/field";
import { read } from "../asking";
import { wholeNumber } from "../format";
import { Choice, Moment, Select, Tick } from "../ui/fields";
import { ct } from "../words";
import type { DropDraft, ItemDraft } from "./drop-draft";
import { ProductPicker } from "./product-picker";

interface Props {
  draft: DropDraft;
  errors: Record<string, string>;
  onDraft: (draft: DropDraft) => void;
  /** For a new drop: the product can still be chosen. */
  onProduct?: (product: Product | undefined) => void;
}

export function DropFields({ draft, errors, onDraft, onProduct }: Props) {
  const set = <K extends keyof DropDraft>(name: K, value: DropDraft[K]) => onDraft({ ...draft, [name]: value });
  return (
    <div class="form-columns">
      <section class="sheet whole" aria-labelledby="goods-head">
        <div class="sheet-head">
          <h2 id="goods-head">{ct("drop.goodsHead")}</h2>
          {onProduct && draft.items.length > 0 && (
            <button class="link-button small" type="button" onClick={() => onProduct(undefined)}>
              {ct("drop.otherProduct")}
            </button>
          )}
        </div>
        {draft.items.length === 0 && onProduct ? (
          <ProductPicker onProduct={onProduct} error={errors["product-query"]} />
        ) : (
          <Items draft={draft} errors={errors} onItems={(items) => set("items", items)} />
        )}
      </section>
      <section class="sheet" aria-labelledby="when-head">
        <h2 id="when-head">{ct("drop.whenHead")}</h2>
        {onProduct && (
          <Choice
            name="start"
            legend={ct("drop.starts")}
            value={draft.start}
            onValue={(value) => set("start", value)}
            options={[
              ["now", ct("drop.atOnce")],
              ["later", ct("drop.later")],
            ]}
          />
        )}
        {draft.start === "later" && (
          <Moment
            name="starts_at"
            label={ct("drop.startsAt")}
            value={draft.startsAt}
            onValue={(value) => set("startsAt", value)}
            error={errors["starts_at"]}
          />
        )}
        <Moment
          name="ends_at"
          label={ct("drop.endsAt")}
          value={draft.endsAt}
          onValue={(value) => set("endsAt", value)}
          error={errors["ends_at"]}
        />
      </section>
      <section class="sheet" aria-labelledby="rules-head">
        <h2 id="rules-head">{ct("drop.rulesHead")}</h2>
        <Field
          name="title"
          label={ct("drop.title")}
          value={draft.title}
          onValue={(value) => set("title", value)}
          error={errors["title"]}
          required={false}
          maxLength={255}
        />
        <Field
          name="per_buyer_max"
          label={ct("drop.perBuyer")}
          value={draft.perBuyer}
          onValue={(value) => set("perBuyer", value)}
          error={errors["per_buyer_max"]}
          hint={ct("drop.perBuyerHint")}
          inputMode="numeric"
          autocomplete="off"
        />
        <Field
          name="per_network_max"
          label={ct("drop.perNetwork")}
          value={draft.perNetwork}
          onValue={(value) => set("perNetwork", value)}
          error={errors["per_network_max"]}
          hint={ct(onProduct ? "drop.perNetworkHint" : "drop.perNetworkEditHint")}
          inputMode="numeric"
          autocomplete="off"
          required={false}
        />
        <Field
          name="hold_seconds"
          label={ct("drop.hold")}
          value={draft.holdMinutes}
          onValue={(value) => set("holdMinutes", value)}
          error={errors["hold_seconds"]}
          hint={ct("drop.holdHint")}
          inputMode="decimal"
          autocomplete="off"
        />
        <Select
          name="audience"
          label={ct("drop.audience")}
          value={draft.audience}
          onValue={(value) => set("audience", value as DropDraft["audience"])}
          options={(["anyone", "customers"] as const).map((one) => [one, ct(`drop.audience.${one}`)] as const)}
        />
      </section>
    </div>
  );
}

interface ItemsProps {
  draft: DropDraft;
  errors: Record<string, string>;
  onItems: (items: ItemDraft[]) => void;
}

function Items({ draft, errors, onItems }: ItemsProps) {
  const levels = useLevels(draft.items.map(({ sku }) => sku));
  const change = (sku: string, edit: Partial<ItemDraft>) =>
    onItems(draft.items.map((item) => (item.sku === sku ? { ...item, ...edit } : item)));
  return (
    <div class="drop-items">
      {draft.items.map((item) => {
        const available = levels[item.sku]?.available;
        return (
          <fieldset key={item.sku} class={item.chosen ? "drop-item" : "drop-item off"}>
            <legend class="unseen">{item.name}</legend>
            <div>
              <Tick
                name={`item-${item.sku}`}
                label={<b>{item.name}</b>}
                checked={item.chosen}
                onChecked={(chosen) => change(item.sku, { chosen })}
                hint={
                  available === undefined
                    ? item.sku
                    : ct("drop.itemStock", { sku: item.sku, n: wholeNumber(available) })
                }
              />
              {errors[`item-${item.sku}`] && <p class="field-error">{errors[`item-${item.sku}`]}</p>}
            </div>
            {item.chosen && (
              <div class="drop-item-fields">
                <Field
                  name={`quantity-${item.sku}`}
                  label={ct("drop.units")}
                  value={item.quantity}
                  onValue={(quantity) => change(item.sku, { quantity })}
                  error={errors[`quantity-${item.sku}`]}
                  inputMode="numeric"
                  autocomplete="off"
                />
                <Field
                  name={`price-${item.sku}`}
                  label={`${ct("product.price")} (${draft.currency})`}
                  value={item.price}
                  onValue={(price) => change(item.sku, { price })}
                  error={errors[`price-${item.sku}`]}
                  inputMode="decimal"
                  autocomplete="off"
                />
                <Field
                  name={`compare-${item.sku}`}
                  label={ct("product.compareAt")}
                  value={item.compareAt}
                  onValue={(compareAt) => change(item.sku, { compareAt })}
                  error={errors[`compare-${item.sku}`]}
                  inputMode="decimal"
                  autocomplete="off"
                  required={false}
                />
              </div>
            )}
          </fieldset>
        );
      })}
    </div>
  );
}

/** Reads the stock of each SKU; unreadable ones are left out. */
function useLevels(skus: string[]): Record<string, Levels> {
  const [levels, setLevels] = useState<Record<string, Levels>>({});
  useEffect(() => {
    let stale = false;
    for (const sku of skus) {
      read("get_inventory", { params: { sku } }).then(
        (answer) => stale || setLevels((before) => ({ ...before, [sku]: answer })),
        () => undefined,
      );
    }
    return () => {
      stale = true;
    };
  }, [skus.join("\n")]);
  return levels;
}
