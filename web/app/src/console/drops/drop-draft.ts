/** A drop in the form, and its conversion to request bodies. */
import type { BodyOf, Currency, Drop, Product } from "@fusioncommerce/client";
import { amountText, dayTime, fromLocalField, parseAmount, parseCount, toLocalField } from "../format";
import { ct } from "../words";

export interface ItemDraft {
  sku: string;
  name: string;
  chosen: boolean;
  quantity: string;
  price: string;
  compareAt: string;
}

export interface DropDraft {
  title: string;
  productId: string | undefined;
  currency: string;
  start: "now" | "later";
  startsAt: string;
  endsAt: string;
  perBuyer: string;
  /** Empty: the default limit for a new drop, no limit for an existing drop. */
  perNetwork: string;
  holdMinutes: string;
  audience: Drop["audience"];
  items: ItemDraft[];
}

const HOUR_MS = 3600_000;
const HOLD_SECONDS_MIN = 5;
const HOLD_SECONDS_MAX = 86_400;

export function emptyDrop(): DropDraft {
  const nextHour = Math.ceil((Date.now() + HOUR_MS / 2) / HOUR_MS) * HOUR_MS;
  return {
    title: "",
    productId: undefined,
    currency: "USD",
    start: "later",
    startsAt: toLocalField(new Date(nextHour).toISOString()),
    endsAt: toLocalField(new Date(nextHour + 2 * HOUR_MS).toISOString()),
    perBuyer: "1",
    perNetwork: "",
    holdMinutes: "5",
    audience: "anyone",
    items: [],
  };
}

/** Returns the draft with the items of `product`, and its title if the draft has none. */
export function withProduct(draft: DropDraft, product: Product): DropDraft {
  return {
    ...draft,
    productId: product.id,
    title: draft.title || product.title,
    currency: product.variants[0]?.price.currency ?? draft.currency,
    items: product.variants.map((variant) => ({
      sku: variant.sku,
      name: variant.options.join(" · ") || product.title,
      chosen: product.variants.length === 1,
      quantity: "",
      price: amountText(variant.price),
      compareAt: "",
    })),
  };
}

export function draftOfDrop(drop: Drop, product: Product | undefined): DropDraft {
  const names = new Map(product?.variants.map(({ sku, options }) => [sku, options.join(" · ")]));
  return {
    title: drop.title,
    productId: drop.product_id,
    currency: drop.items[0]?.price.currency ?? "USD",
    start: drop.starts_at ? "later" : "now",
    startsAt: toLocalField(drop.starts_at),
    endsAt: toLocalField(drop.ends_at),
    perBuyer: String(drop.per_buyer_max),
    perNetwork: drop.per_network_max === undefined ? "" : String(drop.per_network_max),
    holdMinutes: String(Math.round((drop.hold_seconds / 60) * 100) / 100),
    audience: drop.audience,
    items: drop.items.map((item) => ({
      sku: item.sku,
      name: names.get(item.sku) || item.sku,
      chosen: true,
      quantity: String(item.quantity),
      price: amountText(item.price),
      compareAt: amountText(item.compare_at_price),
    })),
  };
}

function holdSeconds(draft: DropDraft): number | undefined {
  const minutes = Number(draft.holdMinutes.replace(",", "."));
  const seconds = Math.round(minutes * 60);
  return seconds >= HOLD_SECONDS_MIN && seconds <= HOLD_SECONDS_MAX ? seconds : undefined;
}

function atLeastOne(text: string): boolean {
  return (parseCount(text) ?? 0) >= 1;
}

/** Returns the errors, by field name. A start in the past is allowed; an end in the past is not. */
export function dropFaults(draft: DropDraft): Record<string, string> {
  const found: Record<string, string> = {};
  const starts = draft.start === "later" ? fromLocalField(draft.startsAt) : undefined;
  const ends = fromLocalField(draft.endsAt);
  if (draft.items.length === 0) found["product-query"] = ct("drop.noProduct");
  else if (!draft.items.some(({ chosen }) => chosen)) found[`item-${draft.items[0]?.sku}`] = ct("drop.noItem");
  for (const item of draft.items.filter(({ chosen }) => chosen)) {
    if (!atLeastOne(item.quantity)) found[`quantity-${item.sku}`] = ct("field.badUnits");
    if (parseAmount(item.price, draft.currency) === undefined) found[`price-${item.sku}`] = ct("field.badAmount");
    if (item.compareAt && parseAmount(item.compareAt, draft.currency) === undefined)
      found[`compare-${item.sku}`] = ct("field.badAmount");
  }
  if (draft.start === "later" && !starts) found["starts_at"] = ct("field.badTime");
  if (!ends) found["ends_at"] = ct("field.badTime");
  else if (starts && ends <= starts) found["ends_at"] = ct("drop.endsFirst");
  else if (Date.parse(ends) < Date.now()) found["ends_at"] = ct("drop.endsPast");
  if (!atLeastOne(draft.perBuyer)) found["per_buyer_max"] = ct("field.badUnits");
  if (draft.perNetwork && !atLeastOne(draft.perNetwork)) found["per_network_max"] = ct("field.badUnits");
  if (holdSeconds(draft) === undefined) found["hold_seconds"] = ct("drop.badHold");
  return found;
}

function price(text: string, currency: string) {
  return { amount: parseAmount(text, currency) ?? 0, currency: currency as Currency };
}

export function toNewDrop(draft: DropDraft, isDraft: boolean): BodyOf<"create_drop"> {
  const starts = draft.start === "later" ? fromLocalField(draft.startsAt) : undefined;
  return {
    title: draft.title.trim(),
    ...(draft.productId ? { product_id: draft.productId } : {}),
    items: draft.items
      .filter(({ chosen }) => chosen)
      .map((item) => ({
        sku: item.sku,
        quantity: parseCount(item.quantity) ?? 0,
        price: price(item.price, draft.currency),
        ...(item.compareAt ? { compare_at_price: price(item.compareAt, draft.currency) } : {}),
      })),
    per_buyer_max: parseCount(draft.perBuyer) ?? 1,
    ...(draft.perNetwork ? { per_network_max: parseCount(draft.perNetwork) ?? null } : {}),
    hold_seconds: holdSeconds(draft) ?? 300,
    ...(starts ? { starts_at: starts } : {}),
    ends_at: fromLocalField(draft.endsAt) ?? "",
    audience: draft.audience,
    draft: isDraft,
  };
}

/** Returns only the differences from `base`; `undefined` if there are none. For drops that have not opened. */
export function toDropPatch(draft: DropDraft, base: Drop): BodyOf<"update_drop"> | undefined {
  const before = draftOfDrop(base, undefined);
  const body: BodyOf<"update_drop"> = {};
  if (draft.title !== before.title) body.title = draft.title.trim();
  if (draft.startsAt !== before.startsAt && draft.start === "later")
    body.starts_at = fromLocalField(draft.startsAt) ?? null;
  if (draft.endsAt !== before.endsAt) body.ends_at = fromLocalField(draft.endsAt) ?? null;
  if (draft.perBuyer !== before.perBuyer) body.per_buyer_max = parseCount(draft.perBuyer) ?? null;
  if (draft.perNetwork !== before.perNetwork) body.per_network_max = parseCount(draft.perNetwork) ?? null;
  if (draft.holdMinutes !== before.holdMinutes) body.hold_seconds = holdSeconds(draft) ?? null;
  if (draft.audience !== before.audience) body.audience = draft.audience;
  const items = draft.items.flatMap((item) => {
    const had = before.items.find(({ sku }) => sku === item.sku);
    const quantity = item.chosen ? (parseCount(item.quantity) ?? 0) : 0;
    const same =
      had && had.quantity === String(quantity) && had.price === item.price && had.compareAt === item.compareAt;
    if (same || (!had && !item.chosen)) return [];
    return [
      {
        sku: item.sku,
        ...(!had || had.quantity !== String(quantity) ? { quantity } : {}),
        ...(!had || had.price !== item.price ? { price: price(item.price, draft.currency) } : {}),
        ...(item.compareAt && (!had || had.compareAt !== item.compareAt)
          ? { compare_at_price: price(item.compareAt, draft.currency) }
          : {}),
      },
    ];
  });
  if (items.length > 0) body.items = items;
  return Object.keys(body).length > 0 ? body : undefined;
}

/** Returns the form field of a server pointer. `skus` are the items in the order in which they were sent. */
export function dropFieldAt(pointer: string, skus: string[]): string | undefined {
  const item = /^\/items\/(\d+)\/(quantity|price|compare_at_price)/.exec(pointer);
  const sku = item && skus[Number(item[1])];
  if (item && sku)
    return `${{ quantity: "quantity", price: "price", compare_at_price: "compare" }[item[2] as "price"]}-${sku}`;
  const top = pointer.split("/")[1] ?? "";
  return ["title", "starts_at", "ends_at", "per_buyer_max", "per_network_max", "hold_seconds"].includes(top) ? top : undefined;
}

/** Returns the differences between the drop on which the draft is based and the current drop. */
export function dropConflicts(
  draft: DropDraft,
  base: Drop,
  now: Drop,
): { label: string; theirs: string; yours?: string }[] {
  const fields = (of: DropDraft) => {
    const when = (text: string) => {
      const instant = fromLocalField(text);
      return instant ? dayTime(instant) : "";
    };
    return new Map<string, string>([
      [ct("drop.title"), of.title],
      [ct("drop.starts"), when(of.startsAt)],
      [ct("drop.ends"), when(of.endsAt)],
      [ct("drop.perBuyer"), of.perBuyer],
      [ct("drop.perNetwork"), of.perNetwork],
      [ct("drop.hold"), of.holdMinutes],
      [ct("drop.audience"), ct(`drop.audience.${of.audience}`)],
      ...of.items
        .filter(({ chosen }) => chosen)
        .flatMap((item): [string, string][] => [
          [`${item.sku}: ${ct("drop.units")}`, item.quantity],
          [`${item.sku}: ${ct("product.price")}`, item.price],
        ]),
    ]);
  };
  const before = fields(draftOfDrop(base, undefined));
  const theirs = fields(draftOfDrop(now, undefined));
  const mine = fields(draft);
  return [...theirs].flatMap(([label, is]) => {
    const was = before.get(label);
    const wanted = mine.get(label);
    if (is === was) return [];
    return [
      { label, theirs: is, ...(wanted !== undefined && wanted !== was && wanted !== is ? { yours: wanted } : {}) },
    ];
  });
}

/** Returns the draft rebased on the current drop: the draft's own changes are kept. */
export function rebaseDrop(draft: DropDraft, base: Drop, now: Drop, product: Product | undefined): DropDraft {
  const before = draftOfDrop(base, product);
  const next = draftOfDrop(now, product);
  const pick = <K extends keyof DropDraft>(name: K): DropDraft[K] =>
    draft[name] === before[name] ? next[name] : draft[name];
  return {
    ...next,
    title: pick("title"),
    start: pick("start"),
    startsAt: pick("startsAt"),
    endsAt: pick("endsAt"),
    perBuyer: pick("perBuyer"),
    perNetwork: pick("perNetwork"),
    holdMinutes: pick("holdMinutes"),
    audience: pick("audience"),
    items: draft.items.map((mine) => {
      const was = before.items.find(({ sku }) => sku === mine.sku);
      const is = next.items.find(({ sku }) => sku === mine.sku);
      return was && is && JSON.stringify(was) === JSON.stringify(mine) ? is : mine;
    }),
  };
}
