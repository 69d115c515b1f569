import { isProblem, type Levels } from "@fusioncommerce/client";
import { useState } from "preact/hooks";
import { Field } from "../../ui/field";
import { askOnce, read } from "../asking";
import { parseCount, signed, wholeNumber } from "../format";
import { ActionDialog } from "../ui/dialog";
import { Choice, focusField } from "../ui/fields";
import { ct, ctn } from "../words";

type Way = "by" | "to";

interface Props {
  name: string;
  levels: Levels;
  onClose: () => void;
  /** Called if the current numbers turn out to be different. */
  onLevels: (levels: Levels) => void;
  onDone: (levels: Levels) => void;
}

export function AdjustDialog({ name, levels, onClose, onLevels, onDone }: Props) {
  const [way, setWay] = useState<Way>("by");
  const [amount, setAmount] = useState("");
  const [reason, setReason] = useState("");
  const [errors, setErrors] = useState<{ amount?: string; reason?: string }>({});
  const bound = levels.held + levels.allocated;

  const count = parseCount(amount);
  const after = count === undefined ? undefined : way === "by" ? levels.on_hand + count : count;
  const check = () => {
    const found: typeof errors = {};
    if (count === undefined || (way === "by" && count === 0) || (way === "to" && count < 0)) {
      found.amount = ct(way === "by" ? "stock.badDelta" : "field.badCount");
    }
    if (reason.trim() === "") found.reason = ct("field.missing");
    setErrors(found);
    if (found.amount || found.reason) focusField(found.amount ? "amount" : "reason");
    return !found.amount && !found.reason;
  };
  const act = async () => {
    const why = reason.trim();
    const body =
      way === "by" ? { delta: count ?? 0, reason: why } : { set_to: count ?? 0, expected: levels.on_hand, reason: why };
    try {
      onDone(await askOnce(`stock.${levels.sku}`, "adjust_inventory", { params: { sku: levels.sku }, body }));
    } catch (thrown) {
      // The numbers above the fields are out of date then.
      if (isProblem(thrown, "insufficient_available", "unexpected_level")) {
        read("get_inventory", { params: { sku: levels.sku } }).then(onLevels, () => undefined);
      }
      throw thrown;
    }
  };

  return (
    <ActionDialog
      title={ct("stock.adjustTitle")}
      confirm={ct("stock.save")}
      onClose={onClose}
      check={check}
      act={act}
      explain={explain}
    >
      <p>{name}</p>
      <dl class="figures compact">
        {(["on_hand", "available", "held", "allocated"] as const).map((level) => (
          <div key={level}>
            <dt>{ct(`stock.${level}`)}</dt>
            <dd>{wholeNumber(levels[level])}</dd>
          </div>
        ))}
      </dl>
      <Choice
        name="way"
        legend={ct("stock.way")}
        value={way}
        onValue={(next) => {
          setWay(next);
          setErrors({});
        }}
        options={[
          ["by", ct("stock.by")],
          ["to", ct("stock.to")],
        ]}
      />
      <Field
        name="amount"
        label={ct(way === "by" ? "stock.delta" : "stock.setTo")}
        value={amount}
        onValue={setAmount}
        error={errors.amount}
        hint={ct(way === "by" ? "stock.deltaHint" : "stock.setToHint", { n: wholeNumber(levels.on_hand) })}
        inputMode={way === "by" ? "text" : "numeric"}
        autocomplete="off"
      />
      {after !== undefined && after !== levels.on_hand && (
        <p class={after < bound ? "tone-bad small" : "quiet small"}>
          {ct("stock.after", {
            before: wholeNumber(levels.on_hand),
            after: wholeNumber(after),
            change: signed(after - levels.on_hand),
          })}
          {after < bound && ` ${ctn("stock.belowBound", bound)}`}
        </p>
      )}
      <Field
        name="reason"
        label={ct("stock.reason")}
        value={reason}
        onValue={setReason}
        error={errors.reason}
        hint={ct("stock.reasonHint")}
        list="stock-reasons"
        maxLength={255}
      />
      <datalist id="stock-reasons">
        {(["delivery", "counted", "damaged", "returned"] as const).map((why) => (
          <option key={why} value={ct(`stock.reason.${why}`)} />
        ))}
      </datalist>
    </ActionDialog>
  );
}

/** Explains where the units are that cannot be removed. */
function explain(error: unknown) {
  if (!isProblem(error, "insufficient_available")) return undefined;
  const numbers = error.document as unknown as Partial<Levels>;
  if (numbers.on_hand === undefined) return undefined;
  return (
    <p>
      {ct("stock.where", {
        onHand: wholeNumber(numbers.on_hand),
        held: wholeNumber(numbers.held ?? 0),
        allocated: wholeNumber(numbers.allocated ?? 0),
        available: wholeNumber(numbers.available ?? 0),
      })}
    </p>
  );
}
