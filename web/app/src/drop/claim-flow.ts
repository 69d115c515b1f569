/** The claim flow of one drop: held claims, running requests, and refusals. */
import { computed, effect, signal } from "@preact/signals";
import { asShopError, call, type ShopError } from "../api";
import { msUntil, now, serverNow, tick } from "../clock";
import { t } from "../i18n";
import { line } from "../live";
import { askOnce, pendingBody, type WaitReason } from "../pending";
import { session } from "../session";
import { forget, keep, onChangedElsewhere, recall } from "../storage";
import type { Claim, DropItem } from "../types";
import { announce } from "../ui/announcer";

/** The delay after the end of a hold before it is checked: the server ends it a little later than the clock shows. */
const END_GRACE_MS = 400;
const CHECK_PAUSE_MS = 1500;

/** How long a tapped button ignores further taps, even if the response was faster: a double tap counts as one tap. */
const TAP_PAUSE_MS = 600;

/** `answered`: the response has arrived, but a second tap would still belong to the same double tap. */
export type Busy = "sending" | "answered" | WaitReason;

/** An ended hold: it keeps its row, so that nothing moves during a tap. */
export interface Past {
  claim: Claim;
  how: "given" | "ended";
}

export class ClaimFlow {
  readonly holds = signal<Claim[]>([]);
  /** Whether the holds of an earlier visit are known. */
  readonly loaded = signal(false);
  /** The reason for which the holds are not known. */
  readonly missing = signal<ShopError>();
  /** The items with a claim in progress. */
  readonly busy = signal<Record<string, Busy>>({});
  readonly returning = signal<string[]>([]);
  /** The last refusal and its time on the server's clock. */
  readonly refusal = signal<{ sku: string; error: ShopError; at: number }>();
  /** Holds that ended before payment or were released, for as long as the page is open. */
  readonly past = signal<Past[]>([]);
  /** The units of this drop that were bought before. */
  readonly sold = signal(0);
  /** The units that count towards the buyer's limit. */
  readonly units = computed(() => this.sold.value + unitsOf(this.holds.value));
  /** Present and past holds, in the order of their claims. */
  readonly rows = computed(() => this.arrange(this.holds.value, this.past.value));

  private readonly ends: (() => void)[] = [];
  private items: DropItem[] = [];
  private checkedAt = 0;
  private loads = 0;
  private readonly places = new Map<string, number>();
  private readonly pauses = new Set<number>();

  constructor(
    readonly dropId: string,
    private readonly nameOf: (sku: string) => string,
  ) {
    this.ends.push(onChangedElsewhere(this.place, () => void this.load()));
    this.ends.push(effect(() => this.endWhatIsOver(now.value)));
    // Requests that failed while the connection was down are repeated when it is back.
    this.ends.push(line.subscribe((state) => state === "live" && this.resume()));
    // A sign-in of a guest, or the end of a session, changes the owner of the holds.
    const subject = computed(() => session.value?.subject);
    this.ends.push(
      effect(() => {
        if (subject.value) void this.load();
        else {
          this.holds.value = [];
          this.sold.value = 0;
          this.loaded.value = true;
        }
      }),
    );
  }

  dispose(): void {
    for (const end of this.ends) end();
    for (const pause of this.pauses) clearTimeout(pause);
  }

  /** Repeats claims whose response did not arrive before the page was closed, with the same keys. */
  resume(items: DropItem[] = this.items): void {
    this.items = items;
    for (const { sku } of items) {
      const body = pendingBody<{ sku: string }>(this.claimPlace(sku));
      if (body && !this.busy.value[sku]) void this.claim(sku);
    }
  }

  /** Returns whether the item is now held. */
  async claim(sku: string): Promise<boolean> {
    if (this.busy.value[sku]) return false;
    const tappedAt = performance.now();
    this.refusal.value = undefined;
    this.setBusy(sku, "sending");
    try {
      const claim = await askOnce("create_claim", {
        place: this.claimPlace(sku),
        params: { id: this.dropId },
        body: { sku, quantity: 1 },
        onWait: (reason) => this.setBusy(sku, reason),
      });
      if (claim.state === "held") {
        this.hold(claim);
        announce(t("milestone.held", { item: this.nameOf(sku) }));
      }
      return claim.state === "held";
    } catch (thrown) {
      this.refusal.value = { sku, error: asShopError(thrown), at: serverNow() };
      return false;
    } finally {
      this.setBusy(sku, "answered");
      const rest = Math.max(0, TAP_PAUSE_MS - (performance.now() - tappedAt));
      const pause = window.setTimeout(() => (this.pauses.delete(pause), this.setBusy(sku, undefined)), rest);
      this.pauses.add(pause);
    }
  }

  async giveBack(claim: Claim): Promise<void> {
    if (this.returning.value.includes(claim.id)) return;
    this.returning.value = [...this.returning.value, claim.id];
    try {
      // A release has no key: the claim's id makes a repetition safe.
      await call("release_claim", { params: { id: this.dropId, claim_id: claim.id } });
      this.past.value = [...this.past.value, { claim, how: "given" }];
      this.lose(claim.id);
      this.refusal.value = undefined;
    } catch (thrown) {
      const error = asShopError(thrown);
      if (error.code === "already_sold") this.lose(claim.id);
      this.refusal.value = { sku: claim.sku, error, at: serverNow() };
    } finally {
      this.returning.value = this.returning.value.filter((id) => id !== claim.id);
    }
  }

  /** Returns the units held, of one item or of all, including claims in progress. */
  heldOf(sku?: string): number {
    const coming = Object.entries(this.busy.value).filter(([one, state]) => state !== "answered" && (!sku || one === sku));
    return coming.length + unitsOf(this.holds.value.filter((claim) => !sku || claim.sku === sku));
  }

  async load(): Promise<void> {
    this.loads += 1;
    const mine = this.loads;
    const before = new Set(this.holds.peek().map(({ id }) => id));
    try {
      const [page, sold] = await Promise.all([
        call("list_claims", { params: { state: "held", limit: 200 } }),
        call("list_claims", { params: { state: "sold", limit: 200 } }),
      ]);
      const listed = page.items.filter((claim) => claim.drop_id === this.dropId);
      // The list may lag behind; a claim read by its id does not.
      const unlisted = (recall<string[]>(this.place) ?? []).filter((id) => !listed.some((claim) => claim.id === id));
      const read = await Promise.all(unlisted.map((id) => this.read(id)));
      const fresh = await Promise.all(listed.map((claim) => this.read(claim.id)));
      if (mine !== this.loads) return;
      this.sold.value = unitsOf(sold.items.filter((claim) => claim.drop_id === this.dropId));
      // A hold that ended while the page was closed is shown once.
      const lost = read.filter((claim) => claim?.state === "released").filter((claim) => claim !== undefined);
      const news = lost.filter(({ id }) => !this.past.peek().some((past) => past.claim.id === id));
      if (news.length > 0) this.past.value = [...this.past.peek(), ...news.map((claim) => ({ claim, how: "ended" as const }))];
      // Claims and releases made meanwhile are newer than the list.
      const since = this.holds.peek();
      const gone = new Set([...before].filter((id) => !since.some((claim) => claim.id === id)));
      const found = [...fresh, ...read].filter((claim) => claim !== undefined);
      const all = new Map([...found, ...since.filter(({ id }) => !before.has(id))].map((claim) => [claim.id, claim]));
      this.holds.value = [...all.values()].filter(({ id, state }) => state === "held" && !gone.has(id)).sort(byEnd);
      keep(this.place, this.holds.value.map((claim) => claim.id));
      this.missing.value = undefined;
    } catch (thrown) {
      // Only the newest load reports its error; the known holds stay visible.
      if (mine === this.loads) this.missing.value = asShopError(thrown);
    } finally {
      if (mine === this.loads) this.loaded.value = true;
    }
  }

  private arrange(holds: Claim[], past: Past[]): (Past | { claim: Claim; how: "held" })[] {
    const over = past.filter(({ claim }) => !holds.some((one) => one.id === claim.id));
    const rows = [...over, ...holds.map((claim) => ({ claim, how: "held" as const }))];
    for (const { claim } of rows) if (!this.places.has(claim.id)) this.places.set(claim.id, this.places.size);
    const place = (id: string) => this.places.get(id) ?? 0;
    return rows.sort((one, other) => place(one.claim.id) - place(other.claim.id));
  }

  private get place(): string {
    return `claims.${this.dropId}`;
  }

  private claimPlace(sku: string): string {
    return `claim.${this.dropId}.${sku}`;
  }

  private async read(claimId: string): Promise<Claim | undefined> {
    try {
      return await call("get_claim", { params: { id: this.dropId, claim_id: claimId } });
    } catch (thrown) {
      if (asShopError(thrown).code === "not_found") return undefined;
      throw thrown;
    }
  }

  private setBusy(sku: string, state: Busy | undefined): void {
    const { [sku]: _before, ...others } = this.busy.value;
    this.busy.value = state ? { ...others, [sku]: state } : others;
  }

  private hold(claim: Claim): void {
    tick();
    this.holds.value = [...this.holds.value.filter((one) => one.id !== claim.id), claim].sort(byEnd);
    this.tellOtherTabs();
  }

  private lose(claimId: string): void {
    this.holds.value = this.holds.value.filter((one) => one.id !== claimId);
    this.tellOtherTabs();
  }

  private tellOtherTabs(): void {
    if (this.holds.value.length > 0) keep(this.place, this.holds.value.map((claim) => claim.id));
    else forget(this.place);
  }

  /** The server decides whether a hold has ended: a checkout may have extended it. */
  private endWhatIsOver(instant: number): void {
    const over = this.holds.peek().filter((claim) => msUntil(claim.expires_at, instant) < -END_GRACE_MS);
    if (over.length === 0 || instant - this.checkedAt < CHECK_PAUSE_MS) return;
    this.checkedAt = instant;
    for (const claim of over) void this.checkEnd(claim);
  }

  private async checkEnd(claim: Claim): Promise<void> {
    const fresh = await this.read(claim.id).catch(() => claim);
    if (fresh?.state === "held") {
      if (fresh.expires_at !== claim.expires_at) this.hold(fresh);
      return;
    }
    // A hold released here meanwhile already has its row.
    const isKnown = this.past.value.some((past) => past.claim.id === claim.id);
    if (fresh?.state !== "sold" && !isKnown) this.past.value = [...this.past.value, { claim, how: "ended" }];
    this.lose(claim.id);
  }
}

function unitsOf(claims: Claim[]): number {
  return claims.reduce((sum, { quantity }) => sum + quantity, 0);
}

function byEnd(one: Claim, other: Claim): number {
  return one.expires_at.localeCompare(other.expires_at);
}
