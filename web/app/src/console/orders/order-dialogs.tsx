/** The dialogs for shipping, refunding and cancelling an order, each with a description of its consequences. */
import { isProblem, type Currency, type Money, type Order } from "@fusioncommerce/client";
import { useState } from "preact/hooks";
import { money } from "../../i18n";
import { announce } from "../../ui/announcer";
import { Field } from "../../ui/field";
import { askOnce } from "../asking";
import { amountText, parseAmount } from "../format";
import { ActionDialog } from "../ui/dialog";
import { Area, Choice, focusField, Tick } from "../ui/fields";
import { ct } from "../words";
import { typedLines, UnitFields, type OrderLine, type Typed } from "./units";

export type OrderAction = "fulfil" | "refund" | "cancel";

interface Props {
  order: Order;
  /** The amount that can still be refunded. */
  left: Money;
  onClose: () => void;
  onDone: (order: Order, words: string) => void;
}

export function OrderDialog({ action, ...props }: Props & { action: OrderAction }) {
  switch (action) {
    case "fulfil":
      return <FulfilDialog {...props} />;
    case "refund":
      return <RefundDialog {...props} />;
    case "cancel":
      return <CancelDialog {...props} />;
  }
}

const TEXT_MAX = 500;

const remaining = (line: OrderLine) => line.remaining_quantity;
const unrefunded = (line: OrderLine) => line.quantity - line.refunded_quantity;

function FulfilDialog({ order, onClose, onDone }: Props) {
  const [tracking, setTracking] = useState("");
  const [typed, setTyped] = useState<Typed>(() =>
    Object.fromEntries(order.lines.map((line) => [line.id, String(line.remaining_quantity)])),
  );
  const [wrong, setWrong] = useState<string>();
  const lines = typedLines(order.lines, typed, remaining);
  const left = order.lines.reduce((sum, line) => sum + line.remaining_quantity, 0);
  const isAll = lines?.reduce((sum, line) => sum + line.quantity, 0) === left;
  const check = () => {
    const found = lines === undefined || lines.length === 0 ? ct("order.badUnits") : undefined;
    setWrong(found);
    return !found;
  };
  return (
    <ActionDialog
      title={ct("order.fulfilTitle", { number: order.number })}
      confirm={ct("order.act.fulfil")}
      onClose={onClose}
      check={check}
      act={async () => {
        const code = tracking.trim();
        const sent = await askOnce(`order.fulfil.${order.id}`, "create_fulfillment", {
          params: { id: order.id },
          body: { ...(isAll || !lines ? {} : { lines }), ...(code ? { tracking: code } : {}) },
        });
        const words = ct(isAll ? "order.didFulfil" : "order.didFulfilPart");
        announce(words);
        onDone(sent, words);
      }}
    >
      <p>{ct("order.fulfilText")}</p>
      <Field
        name="tracking"
        label={ct("order.tracking")}
        value={tracking}
        onValue={setTracking}
        hint={ct("order.trackingHint")}
        required={false}
        maxLength={TEXT_MAX}
        autocomplete="off"
      />
      <UnitFields
        legend={ct("order.inParcel")}
        lines={order.lines}
        most={remaining}
        typed={typed}
        onTyped={setTyped}
        error={wrong}
      />
    </ActionDialog>
  );
}

function RefundDialog({ order, left, onClose, onDone }: Props) {
  const [what, setWhat] = useState<"amount" | "lines">("amount");
  const [typed, setTyped] = useState<Typed>({});
  const [amount, setAmount] = useState(amountText(left as Parameters<typeof amountText>[0]));
  const [reason, setReason] = useState("");
  const [restock, setRestock] = useState(false);
  const [errors, setErrors] = useState<{ amount?: string; lines?: string; reason?: string }>({});
  const given = parseAmount(amount, left.currency);
  const lines = typedLines(order.lines, typed, unrefunded);
  const byLines = what === "lines";
  const isAll = given === left.amount;
  // Units that are in transit, or were restocked before, cannot be restocked.
  const canRestock = (byLines || isAll) && order.fulfillment_state !== "cancelled";
  const check = () => {
    const found: typeof errors = {};
    if (byLines) {
      if (lines === undefined || lines.length === 0) found.lines = ct("order.badUnits");
    } else if (given === undefined || given === 0) found.amount = ct("field.badAmount");
    else if (given > left.amount) found.amount = ct("order.refundTooMuch", { left: money(left) });
    if (reason.trim() === "") found.reason = ct("field.missing");
    setErrors(found);
    if (found.amount || found.reason) focusField(found.amount ? "refund-amount" : "refund-reason");
    return !found.amount && !found.lines && !found.reason;
  };
  return (
    <ActionDialog
      title={ct("order.refundTitle", { number: order.number })}
      confirm={
        given && !byLines
          ? ct("order.refundDo", { amount: money({ amount: given, currency: left.currency }) })
          : ct("order.act.refund")
      }
      danger
      onClose={onClose}
      check={check}
      shown={(pointer) => pointer.startsWith("/amount") || pointer === "/reason"}
      act={async () => {
        const after = await askOnce(`order.refund.${order.id}`, "create_refund", {
          params: { id: order.id },
          body: {
            ...(byLines
              ? { lines: lines ?? [] }
              : { amount: { amount: given ?? 0, currency: left.currency as Currency } }),
            reason: reason.trim(),
            restock: canRestock && restock,
          },
        });
        const back = after.totals.refunded.amount - order.totals.refunded.amount;
        const words = ct("order.didRefund", { amount: money({ amount: back, currency: left.currency }) });
        announce(words);
        onDone(after, words);
      }}
      explain={(error) => (isProblem(error, "refund_failed") && error.reason ? <p>{error.reason}</p> : undefined)}
    >
      <p>{ct("order.refundText", { left: money(left) })}</p>
      {byLines ? (
        <UnitFields
          legend={ct("order.refundUnits")}
          lines={order.lines}
          most={unrefunded}
          typed={typed}
          onTyped={setTyped}
          error={errors.lines}
        />
      ) : (
        <Field
          name="refund-amount"
          label={ct("order.refundAmount", { currency: left.currency })}
          value={amount}
          onValue={setAmount}
          error={errors.amount}
          inputMode="decimal"
          autocomplete="off"
        />
      )}
      <Choice
        name="refund-what"
        legend={ct("order.refundWhat")}
        value={what}
        onValue={setWhat}
        options={[
          ["amount", ct("order.refundByAmount")],
          ["lines", ct("order.refundByLines")],
        ]}
      />
      <Reason name="refund-reason" value={reason} onValue={setReason} error={errors.reason} />
      <Tick
        name="refund-restock"
        label={ct("order.restock")}
        checked={canRestock && restock}
        onChecked={setRestock}
        disabled={!canRestock}
        hint={ct(canRestock ? (byLines ? "order.restockLines" : "order.restockHint") : "order.restockOnlyAll")}
      />
    </ActionDialog>
  );
}

function CancelDialog({ order, left, onClose, onDone }: Props) {
  const [reason, setReason] = useState("");
  const [restock, setRestock] = useState(true);
  const [missing, setMissing] = useState<string>();
  const check = () => {
    const wrong = reason.trim() === "" ? ct("field.missing") : undefined;
    setMissing(wrong);
    if (wrong) focusField("cancel-reason");
    return !wrong;
  };
  return (
    <ActionDialog
      title={ct("order.cancelTitle", { number: order.number })}
      confirm={ct("order.act.cancel")}
      danger
      onClose={onClose}
      check={check}
      shown={(pointer) => pointer === "/reason"}
      act={async () => {
        const after = await askOnce(`order.cancel.${order.id}`, "cancel_order", {
          params: { id: order.id },
          body: { reason: reason.trim(), restock },
        });
        announce(ct("order.didCancel"));
        onDone(after, ct("order.didCancel"));
      }}
      explain={(error) => (isProblem(error, "refund_failed") && error.reason ? <p>{error.reason}</p> : undefined)}
    >
      <p>{left.amount > 0 ? ct("order.cancelText", { left: money(left) }) : ct("order.cancelTextNothing")}</p>
      <Reason name="cancel-reason" value={reason} onValue={setReason} error={missing} />
      <Tick
        name="cancel-restock"
        label={ct("order.restock")}
        checked={restock}
        onChecked={setRestock}
        hint={ct("order.restockHint")}
      />
    </ActionDialog>
  );
}

interface ReasonProps {
  name: string;
  value: string;
  onValue: (value: string) => void;
  error: string | undefined;
}

function Reason(props: ReasonProps) {
  return (
    <Area {...props} label={ct("order.reason")} hint={ct("order.reasonHint")} rows={2} required maxLength={TEXT_MAX} />
  );
}
