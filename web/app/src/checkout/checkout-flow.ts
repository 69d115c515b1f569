/**
 * The checkout flow: one payment for one set of goods, from the form to the order. It survives reloads and coordinates
 * with other tabs.
 */
import { signal } from "@preact/signals";
import { asShopError, call } from "../api";
import { follow } from "../live";
import { abandon, askOnce, pendingBody, type WaitReason } from "../pending";
import { forget, keep, onChangedElsewhere, recall } from "../storage";
import type { Address, Checkout, Money, NewCheckout, Order, ProblemSaid } from "../types";

const SLOW_AFTER_MS = 2500;
/**
 * How long the button ignores taps after a refusal: the second tap of an impatient buyer may have been meant for the
 * previous state.
 */
const SETTLE_MS = 700;
const ORDER_ATTEMPTS_MAX = 10;

export interface Trouble {
  code: string;
  problem?: ProblemSaid | undefined;
}

export type Stage =
  | { kind: "form"; trouble?: Trouble }
  | { kind: "sending"; wait?: WaitReason }
  | { kind: "following"; checkout: Checkout; slow: boolean }
  | { kind: "done"; checkout: Checkout; order?: Order };

export interface Means {
  email: string;
  address: Address;
  card: string;
  /** The total that the buyer was shown. */
  expectedTotal?: Money | undefined;
}

/** The goods to pay for: a cart, or claims. */
export type Payable = { cart_id: string } | { claims: string[] };

export class CheckoutFlow {
  readonly stage = signal<Stage>({ kind: "form" });
  /** Whether a confirmation or a cancellation is in progress. */
  readonly acting = signal(false);
  /** Whether a refusal has just arrived. */
  readonly settling = signal(false);
  /** Whether it is known if a payment was in progress before a reload. */
  readonly loaded = signal(false);

  private stopWatching = () => {};
  private stopWatchingOther = () => {};
  private readonly stopListening: () => void;
  private slowTimer = 0;
  private settleTimer = 0;

  /** `place` is the key of the goods in the browser's storage: `cart`, or a drop. */
  constructor(
    private readonly place: string,
    private readonly onDone: () => void,
  ) {
    // Another tab pays for the same goods: its outcome is shown here too.
    this.stopListening = onChangedElsewhere(this.idPlace, () => {
      const id = recall<string>(this.idPlace);
      if (id) this.watchOther(id);
    });
  }

  dispose(): void {
    this.stopWatching();
    this.stopWatchingOther();
    this.stopListening();
    clearTimeout(this.slowTimer);
    clearTimeout(this.settleTimer);
  }

  /** Resumes the payment of an earlier page. A completed payment gives way to new goods. */
  async resume(hasNewGoods: boolean): Promise<void> {
    try {
      const unanswered = pendingBody<NewCheckout>(this.questionPlace);
      const id = recall<string>(this.idPlace);
      if (id) {
        const checkout = await call("get_checkout", { params: { id } });
        const over = checkout.state === "completed" || checkout.state === "failed";
        if (over && hasNewGoods) forget(this.idPlace);
        else this.follow(checkout);
      } else if (unanswered) {
        void this.send(unanswered);
      }
    } catch (thrown) {
      if (asShopError(thrown).code === "not_found") forget(this.idPlace);
    } finally {
      this.loaded.value = true;
    }
  }

  pay(goods: Payable, means: Means): Promise<void> {
    if (this.stage.value.kind !== "form" || this.settling.value) return Promise.resolve();
    const { email, address, card, expectedTotal } = means;
    return this.send({
      ...goods,
      email,
      shipping_address: address,
      payment: { provider: "sandbox", token: card },
      ...(expectedTotal ? { expected_total: expectedTotal } : {}),
    });
  }

  confirm(): Promise<void> {
    return this.act("confirm_checkout");
  }

  cancel(): Promise<void> {
    return this.act("cancel_checkout");
  }

  /** Takes over a checkout that another tab has started. */
  async goOnWith(checkoutId: string): Promise<void> {
    this.acting.value = true;
    try {
      const checkout = await call("get_checkout", { params: { id: checkoutId } });
      keep(this.idPlace, checkoutId);
      this.follow(checkout);
    } catch (thrown) {
      this.refuse(thrown);
    } finally {
      this.acting.value = false;
    }
  }

  async startOver(checkoutId: string): Promise<void> {
    this.acting.value = true;
    try {
      await askOnce("cancel_checkout", { place: `cancel.${checkoutId}`, params: { id: checkoutId } });
      this.toForm({ code: "cancelled" });
    } catch (thrown) {
      // Too late to cancel: show the actual outcome.
      if (asShopError(thrown).mayAskAgain) this.refuse(thrown);
      else await this.goOnWith(checkoutId);
    } finally {
      this.acting.value = false;
    }
  }

  private get idPlace(): string {
    return `checkout.${this.place}`;
  }

  private get questionPlace(): string {
    return `checkout.${this.place}.ask`;
  }

  private async send(body: NewCheckout): Promise<void> {
    this.stage.value = { kind: "sending" };
    try {
      const checkout = await askOnce("create_checkout", {
        place: this.questionPlace,
        body,
        onWait: (wait) => {
          this.stage.value = { kind: "sending", wait };
        },
      });
      keep(this.idPlace, checkout.id);
      this.follow(checkout);
    } catch (thrown) {
      this.refuse(thrown);
    }
  }

  private async act(operation: "confirm_checkout" | "cancel_checkout"): Promise<void> {
    const stage = this.stage.value;
    if (stage.kind !== "following" || this.acting.value) return;
    const { id } = stage.checkout;
    this.acting.value = true;
    try {
      this.show(await askOnce(operation, { place: `${operation}.${id}`, params: { id } }));
    } catch (thrown) {
      // Refused because it is already decided: `follow` shows the outcome.
      if (asShopError(thrown).mayAskAgain) this.refuse(thrown);
      else this.follow(await call("get_checkout", { params: { id } }).catch(() => stage.checkout));
    } finally {
      this.acting.value = false;
    }
  }

  /** Watches a payment in another tab and takes over its outcome: the order, or that nothing was charged. */
  private watchOther(id: string): void {
    this.stopWatchingOther();
    if (this.stage.value.kind !== "form") return;
    this.stopWatchingOther = follow({
      topic: `checkout:${id}`,
      read: () => call("get_checkout", { params: { id } }),
      onState: (checkout) => {
        const stage = this.stage.value;
        if (checkout.state === "completed" && stage.kind === "form") this.show(checkout);
        if (checkout.state === "failed" && stage.kind === "form" && stage.trouble?.code === "checkout_in_progress") this.show(checkout);
        if (checkout.state === "completed" || checkout.state === "failed") this.stopWatchingOther();
      },
    });
  }

  private follow(checkout: Checkout): void {
    this.stopWatching();
    this.stopWatchingOther();
    if (!this.show(checkout)) return;
    clearTimeout(this.slowTimer);
    this.slowTimer = window.setTimeout(() => {
      const stage = this.stage.value;
      if (stage.kind === "following") this.stage.value = { ...stage, slow: true };
    }, SLOW_AFTER_MS);
    this.stopWatching = follow({
      topic: `checkout:${checkout.id}`,
      read: () => call("get_checkout", { params: { id: checkout.id } }),
      onState: (state) => this.show(state),
      onRefused: (error) => this.refuse(error),
    });
  }

  /** Returns whether further states are to come. */
  private show(checkout: Checkout): boolean {
    const before = this.stage.value;
    switch (checkout.state) {
      case "completed":
        this.stopWatching();
        if (before.kind !== "done") {
          this.stage.value = { kind: "done", checkout };
          this.onDone();
          void this.findOrder(checkout);
        }
        return false;
      case "failed":
        this.stopWatching();
        forget(this.idPlace);
        this.toForm({ code: checkout.problem?.code ?? "payment_failed", problem: checkout.problem });
        return false;
      default:
        this.stage.value = { kind: "following", checkout, slow: before.kind === "following" && before.slow };
        return true;
    }
  }

  /** Finds the order, which may appear a moment after its checkout. */
  private async findOrder(checkout: Checkout): Promise<void> {
    if (!checkout.order_id) return;
    for (let attempt = 1; attempt <= ORDER_ATTEMPTS_MAX; attempt += 1) {
      try {
        const order = await call("get_order", { params: { id: checkout.order_id } });
        this.stage.value = { kind: "done", checkout, order };
        return;
      } catch {
        await new Promise((done) => setTimeout(done, 200 * attempt));
      }
    }
  }

  private refuse(thrown: unknown): void {
    const error = asShopError(thrown);
    // A refused request is finished; a request without a response is repeated with the same key.
    if (!error.mayAskAgain) abandon(this.questionPlace);
    this.toForm({ code: error.code, problem: error.problem });
    const other = error.code === "checkout_in_progress" ? error.problem?.checkout_id : undefined;
    if (other) this.watchOther(other);
  }

  private toForm(trouble: Trouble): void {
    this.stage.value = { kind: "form", trouble };
    this.settling.value = true;
    clearTimeout(this.settleTimer);
    this.settleTimer = window.setTimeout(() => (this.settling.value = false), SETTLE_MS);
  }
}
