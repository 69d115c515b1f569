/** The actions on a drop, each with a description of its consequences. */
import { isProblem, type BodyOf, type Drop } from "@fusioncommerce/client";
import { useState } from "preact/hooks";
import { money } from "../../i18n";
import { announce } from "../../ui/announcer";
import { Field } from "../../ui/field";
import { askOnce, read } from "../asking";
import { amountText, dayTime, dayTimeUtc, fromLocalField, parseAmount, parseCount, toLocalField } from "../format";
import { ActionDialog } from "../ui/dialog";
import { focusField, Moment } from "../ui/fields";
import { ct, ctn } from "../words";

export type DropAction = "publish" | "end" | "cancel" | "extend" | "units";

interface Props {
  drop: Drop;
  onClose: () => void;
  /** Called with the drop after the change, or with its actual state. */
  onDrop: (drop: Drop) => void;
}

export function DropDialog({ action, ...props }: Props & { action: DropAction }) {
  switch (action) {
    case "extend":
      return <ExtendDialog {...props} />;
    case "units":
      return <UnitsDialog {...props} />;
    default:
      return <StepDialog {...props} step={action} />;
  }
}

const OPERATION = { publish: "publish_drop", end: "end_drop", cancel: "cancel_drop" } as const;

/** A dialog for an action that needs only a confirmation. */
function StepDialog({ drop, step, onClose, onDrop }: Props & { step: keyof typeof OPERATION }) {
  const act = async () => {
    const after = await askOnce(`drop.${step}.${drop.id}`, OPERATION[step], { params: { id: drop.id } });
    onDrop(after);
    announce(ct(`drop.did.${step}`));
    onClose();
  };
  const consequences = {
    publish: [
      ctn("drop.publishUnits", drop.quantity),
      drop.starts_at && Date.parse(drop.starts_at) > Date.now()
        ? ct("drop.publishLater", { time: dayTime(drop.starts_at), utc: dayTimeUtc(drop.starts_at) })
        : ct("drop.publishNow"),
    ],
    end: [
      ct("drop.endClaims"),
      drop.held > 0 && ctn("drop.endHeld", drop.held),
      drop.available > 0 && ctn("drop.endLeft", drop.available),
      ct("drop.noWayBack"),
    ],
    cancel: [
      drop.state !== "draft" && ct("drop.cancelSeen"),
      drop.held > 0 && ctn("drop.cancelHeld", drop.held),
      drop.sold > 0 && ctn("drop.cancelSold", drop.sold),
      drop.available > 0 && drop.state !== "draft" && ctn("drop.endLeft", drop.available),
      ct("drop.noWayBack"),
    ],
  }[step].filter((words) => typeof words === "string");
  return (
    <ActionDialog
      title={ct(`drop.ask.${step}`, { title: drop.title || ct("drop.untitled") })}
      confirm={ct(`drop.do.${step}`)}
      danger={step !== "publish"}
      onClose={onClose}
      act={act}
      explain={shortage}
    >
      <ul class="plain-list">
        {consequences.map((words) => (
          <li key={words}>{words}</li>
        ))}
      </ul>
    </ActionDialog>
  );
}

/** Explains where to get missing units. */
function shortage(error: unknown) {
  if (!isProblem(error, "insufficient_stock")) return undefined;
  return (
    <p>
      {ct("drop.shortage")} <a href={`/console/stock?sku=${encodeURIComponent(error.sku)}`}>{ct("product.toStock")}</a>
    </p>
  );
}

/**
 * Changes an open drop. If another person has changed it meanwhile, the newer drop is loaded, and the vendor confirms
 * again.
 */
async function change(drop: Drop, body: BodyOf<"update_drop">, onDrop: (drop: Drop) => void): Promise<void> {
  try {
    onDrop(await askOnce(`drop.${drop.id}`, "update_drop", { params: { id: drop.id }, version: drop.version, body }));
  } catch (thrown) {
    if (isProblem(thrown, "stale_version"))
      await read("get_drop", { params: { id: drop.id } }).then(onDrop, () => undefined);
    throw thrown;
  }
}

const QUICK_MINUTES = [15, 30, 60] as const;

function ExtendDialog({ drop, onClose, onDrop }: Props) {
  const [endsAt, setEndsAt] = useState(toLocalField(drop.ends_at));
  const [error, setError] = useState<string>();
  const instant = fromLocalField(endsAt);
  const check = () => {
    const wrong = !instant ? ct("field.badTime") : Date.parse(instant) < Date.now() ? ct("drop.endsPast") : undefined;
    setError(wrong);
    if (wrong) focusField("new-end");
    return !wrong;
  };
  return (
    <ActionDialog
      title={ct("drop.extendTitle")}
      confirm={ct("drop.extendDo")}
      onClose={onClose}
      check={check}
      shown={(pointer) => pointer === "/ends_at"}
      act={async () => {
        await change(drop, { ends_at: instant ?? "" }, onDrop);
        announce(ct("drop.extended", { time: dayTime(instant ?? "") }));
        onClose();
      }}
      explain={(thrown) =>
        isProblem(thrown, "stale_version") ? <p>{ct("drop.endsNow", { time: dayTime(drop.ends_at) })}</p> : undefined
      }
    >
      <p>{ct("drop.extendText", { time: dayTime(drop.ends_at) })}</p>
      <div class="quick">
        {QUICK_MINUTES.map((minutes) => (
          <button
            key={minutes}
            class="button second small-button"
            type="button"
            onClick={() => setEndsAt(toLocalField(new Date(Date.parse(drop.ends_at) + minutes * 60_000).toISOString()))}
          >
            {ctn("drop.plusMinutes", minutes)}
          </button>
        ))}
      </div>
      <Moment name="new-end" label={ct("drop.newEnd")} value={endsAt} onValue={setEndsAt} error={error} />
    </ActionDialog>
  );
}

interface UnitsDraft {
  add: string;
  price: string;
}

function UnitsDialog({ drop, onClose, onDrop }: Props) {
  const [perBuyer, setPerBuyer] = useState(String(drop.per_buyer_max));
  const [items, setItems] = useState<Record<string, UnitsDraft>>(() =>
    Object.fromEntries(drop.items.map(({ sku, price }) => [sku, { add: "", price: amountText(price) }])),
  );
  const [errors, setErrors] = useState<Record<string, string>>({});

  const bodyOf = (): BodyOf<"update_drop"> => {
    const changed = drop.items.flatMap(({ sku, price }) => {
      const draft = items[sku];
      const add = parseCount(draft?.add ?? "") ?? 0;
      const amount = parseAmount(draft?.price ?? "", price.currency);
      const dearer =
        amount !== undefined && amount !== price.amount ? { price: { amount, currency: price.currency } } : {};
      return add > 0 || "price" in dearer ? [{ sku, ...(add > 0 ? { add_quantity: add } : {}), ...dearer }] : [];
    });
    const cap = parseCount(perBuyer);
    return {
      ...(changed.length > 0 ? { items: changed } : {}),
      ...(cap !== undefined && cap !== drop.per_buyer_max ? { per_buyer_max: cap } : {}),
    };
  };
  const check = () => {
    const found: Record<string, string> = {};
    for (const { sku, price } of drop.items) {
      const draft = items[sku];
      if (draft?.add && (parseCount(draft.add) ?? 0) < 1) found[`add-${sku}`] = ct("field.badUnits");
      if (parseAmount(draft?.price ?? "", price.currency) === undefined)
        found[`new-price-${sku}`] = ct("field.badAmount");
    }
    if ((parseCount(perBuyer) ?? 0) < 1) found["cap"] = ct("field.badUnits");
    if (Object.keys(found).length === 0 && Object.keys(bodyOf()).length === 0)
      found[`add-${drop.items[0]?.sku}`] = ct("drop.nothingChanged");
    setErrors(found);
    const [first] = Object.keys(found);
    if (first) focusField(first);
    return !first;
  };
  const edit = (sku: string, part: Partial<UnitsDraft>) =>
    setItems((before) => ({ ...before, [sku]: { add: "", price: "", ...before[sku], ...part } }));
  return (
    <ActionDialog
      title={ct("drop.unitsTitle")}
      confirm={ct("drop.unitsDo")}
      onClose={onClose}
      check={check}
      explain={shortage}
      act={async () => {
        await change(drop, bodyOf(), onDrop);
        announce(ct("drop.saved"));
        onClose();
      }}
    >
      <p class="small quiet">{ct("drop.unitsText")}</p>
      <div class="units-rows">
        {drop.items.map(({ sku, price, available }) => (
          <fieldset key={sku} class="units-row">
            <legend>
              <code class="sku">{sku}</code>{" "}
              <span class="small quiet">{ct("drop.itemNow", { left: available, price: money(price) })}</span>
            </legend>
            <Field
              name={`add-${sku}`}
              label={ct("drop.addUnits")}
              value={items[sku]?.add ?? ""}
              onValue={(add) => edit(sku, { add })}
              error={errors[`add-${sku}`]}
              inputMode="numeric"
              autocomplete="off"
              required={false}
            />
            <Field
              name={`new-price-${sku}`}
              label={`${ct("product.price")} (${price.currency})`}
              value={items[sku]?.price ?? ""}
              onValue={(text) => edit(sku, { price: text })}
              error={errors[`new-price-${sku}`]}
              inputMode="decimal"
              autocomplete="off"
            />
          </fieldset>
        ))}
      </div>
      <Field
        name="cap"
        label={ct("drop.perBuyer")}
        value={perBuyer}
        onValue={setPerBuyer}
        error={errors["cap"]}
        inputMode="numeric"
        autocomplete="off"
      />
    </ActionDialog>
  );
}
