/** Sending, giving money back, and calling off: each with its consequences in words. */
import { isProblem, type Currency, type Money, type Order } from "@fusioncommerce/client";
import { useState } from "preact/hooks";
import { money } from "../../i18n";
import { announce } from "../../ui/announcer";
import { Field } from "../../ui/field";
import { askOnce } from "../asking";
import { amountText, parseAmount } from "../format";
import { ActionDialog } from "../ui/dialog";
import { Area, focusField, Tick } from "../ui/fields";
import { ct } from "../words";

export type OrderAction = "fulfil" | "refund" | "cancel";

interface Props {
  order: Order;
  /** What can still be given back. */
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

function FulfilDialog({ order, onClose, onDone }: Props) {
  const [tracking, setTracking] = useState("");
  return (
    <ActionDialog
      title={ct("order.fulfilTitle", { number: order.number })}
      confirm={ct("order.act.fulfil")}
      onClose={onClose}
      act={async () => {
        const code = tracking.trim();
        const sent = await askOnce(`order.fulfil.${order.id}`, "create_fulfillment", {
          params: { id: order.id },
          body: code ? { tracking: code } : {},
        });
        announce(ct("order.didFulfil"));
        onDone(sent, ct("order.didFulfil"));
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
    </ActionDialog>
  );
}

function RefundDialog({ order, left, onClose, onDone }: Props) {
  const [amount, setAmount] = useState(amountText(left as Parameters<typeof amountText>[0]));
  const [reason, setReason] = useState("");
  const [restock, setRestock] = useState(false);
  const [errors, setErrors] = useState<{ amount?: string; reason?: string }>({});
  const given = parseAmount(amount, left.currency);
  const isAll = given === left.amount;
  // What is on its way, or gone back before, cannot be taken back a second time.
  const canRestock = isAll && order.fulfillment_state !== "cancelled";
  const check = () => {
    const found: typeof errors = {};
    if (given === undefined || given === 0) found.amount = ct("field.badAmount");
    else if (given > left.amount) found.amount = ct("order.refundTooMuch", { left: money(left) });
    if (reason.trim() === "") found.reason = ct("field.missing");
    setErrors(found);
    if (found.amount || found.reason) focusField(found.amount ? "refund-amount" : "refund-reason");
    return !found.amount && !found.reason;
  };
  return (
    <ActionDialog
      title={ct("order.refundTitle", { number: order.number })}
      confirm={
        given
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
            amount: { amount: given ?? 0, currency: left.currency as Currency },
            reason: reason.trim(),
            restock: canRestock && restock,
          },
        });
        const words = ct("order.didRefund", { amount: money({ amount: given ?? 0, currency: left.currency }) });
        announce(words);
        onDone(after, words);
      }}
      explain={(error) => (isProblem(error, "refund_failed") && error.reason ? <p>{error.reason}</p> : undefined)}
    >
      <p>{ct("order.refundText", { left: money(left) })}</p>
      <Field
        name="refund-amount"
        label={ct("order.refundAmount", { currency: left.currency })}
        value={amount}
        onValue={setAmount}
        error={errors.amount}
        inputMode="decimal"
        autocomplete="off"
      />
      <Reason name="refund-reason" value={reason} onValue={setReason} error={errors.reason} />
      <Tick
        name="refund-restock"
        label={ct("order.restock")}
        checked={canRestock && restock}
        onChecked={setRestock}
        disabled={!canRestock}
        hint={ct(canRestock ? "order.restockHint" : "order.restockOnlyAll")}
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
