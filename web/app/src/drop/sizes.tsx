import { money, t, tn } from "../i18n";
import type { Drop, DropItem } from "../types";
import { Price } from "../ui/price";
import type { ClaimDesk } from "./claim-desk";
import { FEW, itemStateOf, type Phase } from "./phase";

interface Props {
  drop: Drop;
  phase: Phase;
  desk: ClaimDesk;
  nameOf: (sku: string) => string;
  /** Only for customers with an account, and this is none. */
  barred: boolean;
}

export function Sizes({ drop, phase, desk, nameOf, barred }: Props) {
  return (
    <ul role="list" class="sizes">
      {drop.items.map((item) => (
        <Size key={item.sku} item={item} phase={phase} desk={desk} name={nameOf(item.sku)} barred={barred} />
      ))}
    </ul>
  );
}

function Size({ item, phase, desk, name, barred }: Omit<Props, "drop" | "nameOf"> & { item: DropItem; name: string }) {
  const state = itemStateOf(item, phase);
  const busy = desk.busy.value[item.sku] !== undefined;
  const canClaim = state === "available" && !barred;
  return (
    <li class={state === "gone" || state === "closed" ? "size gone" : "size"}>
      <div>
        <p class="size-name">{name}</p>
        <p class={state === "available" && item.available <= FEW ? "size-left few digits" : "size-left digits"}>
          {state === "gone" ? t("drop.itemGone") : state === "all_held" ? t("drop.itemHeld") : tn("drop.left", item.available)}
        </p>
      </div>
      <div class="size-price">
        <Price price={item.price} was={item.compare_at_price} />
      </div>
      <div class="size-action">
        <button
          class="button wide"
          type="button"
          disabled={!canClaim && !busy}
          aria-disabled={busy || !canClaim}
          aria-label={t("drop.claimItem", { item: name, price: money(item.price) })}
          onClick={() => !busy && void desk.claim(item.sku)}
        >
          {t(busy ? "drop.claiming" : "drop.claim")}
        </button>
      </div>
    </li>
  );
}
