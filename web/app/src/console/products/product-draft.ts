/** A product in the form, and its conversion to request bodies. */
import type { BodyOf, Currency, Product } from "@fusioncommerce/client";
import { amountText, parseAmount, parseCount } from "../format";
import { ct } from "../words";

export interface VariantDraft {
  /** The key of the row while it is on screen. */
  key: string;
  /** `undefined` for a new variant. */
  id?: string;
  sku: string;
  values: string[];
  price: string;
  compareAt: string;
  /** The initial stock; only for new variants. */
  stock: string;
  removed: boolean;
}

export interface ProductDraft {
  title: string;
  description: string;
  vendor: string;
  type: string;
  tags: string;
  status: Product["status"];
  /** The names of the options, separated by commas. */
  options: string;
  currency: string;
  variants: VariantDraft[];
}

const OPTIONS_MAX = 3;

let rowsMade = 0;

export function newVariant(): VariantDraft {
  rowsMade += 1;
  return { key: `new-${rowsMade}`, sku: "", values: [], price: "", compareAt: "", stock: "", removed: false };
}

export function emptyProduct(currency: string): ProductDraft {
  return {
    title: "",
    description: "",
    vendor: "",
    type: "",
    tags: "",
    status: "active",
    options: "",
    currency,
    variants: [newVariant()],
  };
}

export function draftOf(product: Product): ProductDraft {
  return {
    title: product.title,
    description: product.description_html,
    vendor: product.vendor,
    type: product.type,
    tags: product.tags.join(", "),
    status: product.status,
    options: product.options.map(({ name }) => name).join(", "),
    currency: product.variants[0]?.price.currency ?? "USD",
    variants: product.variants.map((variant) => ({
      key: variant.id,
      id: variant.id,
      sku: variant.sku,
      values: [...variant.options],
      price: amountText(variant.price),
      compareAt: amountText(variant.compare_at_price),
      stock: "",
      removed: false,
    })),
  };
}

function words(text: string): string[] {
  return text
    .split(",")
    .map((word) => word.trim())
    .filter(Boolean);
}

export function optionNames(draft: ProductDraft): string[] {
  return words(draft.options);
}

/** Returns the display name of a variant. */
export function variantName(variant: VariantDraft, index: number): string {
  return variant.values.filter(Boolean).join(" · ") || variant.sku || ct("product.variantNth", { n: index + 1 });
}

/** Returns the errors, by field name. Empty if the draft can be sent. */
export function faults(draft: ProductDraft): Record<string, string> {
  const found: Record<string, string> = {};
  if (draft.title.trim() === "") found["title"] = ct("field.missing");
  const names = optionNames(draft);
  if (names.length > OPTIONS_MAX) found["options"] = ct("product.optionsMax");
  const seen = new Map<string, string>();
  for (const variant of draft.variants.filter(({ removed }) => !removed)) {
    const field = (part: string) => `${variant.key}-${part}`;
    if (parseAmount(variant.price, draft.currency) === undefined) found[field("price")] = ct("field.badAmount");
    if (variant.compareAt !== "" && parseAmount(variant.compareAt, draft.currency) === undefined) {
      found[field("compare")] = ct("field.badAmount");
    }
    const stock = variant.stock === "" ? 0 : parseCount(variant.stock);
    if (stock === undefined || stock < 0) found[field("stock")] = ct("field.badCount");
    names.forEach((_, index) => {
      if (!variant.values[index]?.trim()) found[field(`option-${index}`)] = ct("field.missing");
    });
    const values = names.map((_, index) => variant.values[index]?.trim().toLowerCase()).join("\u0000");
    if (seen.has(values)) found[names.length > 0 ? field("option-0") : field("sku")] = ct("product.sameVariant");
    seen.set(values, variant.key);
  }
  if (draft.variants.every(({ removed }) => removed)) found["variants"] = ct("product.noVariant");
  return found;
}

function priceOf(text: string, currency: string) {
  return { amount: parseAmount(text, currency) ?? 0, currency: currency as Currency };
}

function variantBody(draft: ProductDraft, variant: VariantDraft) {
  const names = optionNames(draft);
  return {
    price: priceOf(variant.price, draft.currency),
    ...(variant.sku.trim() ? { sku: variant.sku.trim() } : {}),
    ...(variant.compareAt ? { compare_at_price: priceOf(variant.compareAt, draft.currency) } : {}),
    ...(names.length > 0 ? { options: names.map((_, index) => variant.values[index]?.trim() ?? "") } : {}),
  };
}

/** A body, with the row of each of its variants. */
export interface Sent<B> {
  body: B;
  rows: string[];
}

export function toNew(draft: ProductDraft): Sent<BodyOf<"create_product">> {
  const remaining = draft.variants.filter(({ removed }) => !removed);
  const names = optionNames(draft);
  const body: BodyOf<"create_product"> = {
    title: draft.title.trim(),
    status: draft.status,
    description_html: draft.description,
    vendor: draft.vendor.trim(),
    type: draft.type.trim(),
    tags: words(draft.tags),
    ...(names.length > 0 ? { options: names } : {}),
    variants: remaining.map((variant) => variantBody(draft, variant)),
  };
  return { body, rows: remaining.map(({ key }) => key) };
}

/** Returns only the differences from `base`; `undefined` if there are none. */
export function toPatch(draft: ProductDraft, base: Product): Sent<BodyOf<"update_product">> | undefined {
  const before = draftOf(base);
  const body: BodyOf<"update_product"> = {};
  if (draft.title !== before.title) body.title = draft.title.trim();
  if (draft.description !== before.description) body.description_html = draft.description;
  if (draft.vendor !== before.vendor) body.vendor = draft.vendor.trim();
  if (draft.type !== before.type) body.type = draft.type.trim();
  if (draft.tags !== before.tags) body.tags = words(draft.tags);
  if (draft.status !== before.status) body.status = draft.status;
  if (draft.options !== before.options) body.options = optionNames(draft);

  const changed = draft.variants.filter((variant) => !variant.removed && !sameVariant(variant, before));
  const removed = draft.variants.flatMap((variant) => (variant.removed && variant.id ? [variant.id] : []));
  if (changed.length > 0) {
    body.variants = changed.map((variant) => {
      const had = before.variants.find(({ id }) => id === variant.id);
      const cleared = had?.compareAt && !variant.compareAt ? { compare_at_price: null } : {};
      return { ...(variant.id ? { id: variant.id } : {}), ...variantBody(draft, variant), ...cleared };
    });
  }
  if (removed.length > 0) body.remove_variants = removed;
  return Object.keys(body).length > 0 ? { body, rows: changed.map(({ key }) => key) } : undefined;
}

function sameVariant(variant: VariantDraft, before: ProductDraft): boolean {
  const had = variant.id === undefined ? undefined : before.variants.find(({ id }) => id === variant.id);
  return had !== undefined && JSON.stringify({ ...variant, stock: "" }) === JSON.stringify({ ...had, stock: "" });
}

/** Returns the form field of a server pointer. */
export function fieldAt(pointer: string, rows: string[]): string | undefined {
  const variant = /^\/variants\/(\d+)\/(price|compare_at_price|sku|options)(?:\/(\d+|amount|currency))?$/.exec(pointer);
  const row = variant && rows[Number(variant[1])];
  if (variant && row) {
    const part = { price: "price", compare_at_price: "compare", sku: "sku", options: `option-${variant[3] ?? 0}` };
    return `${row}-${part[variant[2] as keyof typeof part]}`;
  }
  const plain: Record<string, string> = {
    title: "title",
    vendor: "vendor",
    type: "type",
    tags: "tags",
    options: "options",
  };
  return plain[pointer.split("/")[1] ?? ""];
}

/** A value that another person has changed meanwhile. */
export interface Conflict {
  label: string;
  theirs: string;
  /** `undefined` if the draft did not change the value: then theirs is taken. */
  yours?: string;
}

type Fields = Map<string, { label: string; value: string }>;

function fieldsOf(draft: ProductDraft): Fields {
  const fields: Fields = new Map();
  for (const name of ["title", "description", "vendor", "type", "tags", "options"] as const) {
    fields.set(name, { label: ct(`product.${name}`), value: draft[name] });
  }
  fields.set("status", { label: ct("product.status"), value: ct(`product.status.${draft.status}`) });
  draft.variants.forEach((variant, index) => {
    if (variant.removed) return;
    const name = variantName(variant, index);
    fields.set(`${variant.key}.price`, { label: `${name}: ${ct("product.price")}`, value: variant.price });
    fields.set(`${variant.key}.compare`, { label: `${name}: ${ct("product.compareAt")}`, value: variant.compareAt });
    fields.set(`${variant.key}.sku`, { label: `${name}: SKU`, value: variant.sku });
  });
  return fields;
}

/**
 * Returns the differences between the product on which the draft is based and the current product, with the values of
 * the draft.
 */
export function conflicts(draft: ProductDraft, base: Product, now: Product): Conflict[] {
  const before = fieldsOf(draftOf(base));
  const theirs = fieldsOf(draftOf(now));
  const yours = fieldsOf(draft);
  const names = new Set([...before.keys(), ...theirs.keys()]);
  return [...names].flatMap((name): Conflict[] => {
    const was = before.get(name)?.value ?? "";
    const is = theirs.get(name)?.value ?? "";
    if (was === is) return [];
    const mine = yours.get(name)?.value ?? "";
    const label = theirs.get(name)?.label ?? before.get(name)?.label ?? name;
    return [{ label, theirs: is, ...(mine !== was && mine !== is ? { yours: mine } : {}) }];
  });
}

/** Returns the draft rebased on the current product: the draft's own changes are kept, everything else is current. */
export function rebase(draft: ProductDraft, base: Product, now: Product): ProductDraft {
  const before = draftOf(base);
  const next = draftOf(now);
  const pick = <K extends keyof ProductDraft>(name: K): ProductDraft[K] =>
    JSON.stringify(draft[name]) === JSON.stringify(before[name]) ? next[name] : draft[name];
  const variants = next.variants.map((theirs) => {
    const mine = draft.variants.find(({ id }) => id === theirs.id);
    return mine && !sameVariant(mine, before) ? mine : theirs;
  });
  return {
    title: pick("title"),
    description: pick("description"),
    vendor: pick("vendor"),
    type: pick("type"),
    tags: pick("tags"),
    status: pick("status"),
    options: pick("options"),
    currency: next.currency,
    variants: [...variants, ...draft.variants.filter(({ id }) => id === undefined)],
  };
}
