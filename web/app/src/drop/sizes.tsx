import { money, t, tn } from "../i18n";
import type { Drop, DropItem } from "../types";
import { Price } from "../ui/price";
import type { ClaimFlow } from "./claim-flow";
import { FEW, itemStateOf, type Phase } from "./phase";

interface Props {
  drop: Drop;
  phase: Phase;
  flow: ClaimFlow;
  nameOf: (sku: string) => string;
  /** Whether the drop is only for customers with an account, and the buyer has none. */
  barred: boolean;
  /** Called after a successful claim; `byKeyboard` if no finger is on the button. */
  onHeld: (byKeyboard: boolean) => void;
  /** Called when a finger, a pointer or the keyboard is on an item: the page shows its picture. */
  onLook: (sku: string) => void;
}

export function Sizes({ drop, nameOf, ...rest }: Props) {
  const isAtLimit = rest.flow.units.value >= drop.per_buyer_max;
  return (
    <ul role="list" class="sizes">
      {drop.items.map((item) => (
        <Size key={item.sku} {...rest} item={item} name={nameOf(item.sku)} isAtLimit={isAtLimit} />
      ))}
    </ul>
  );
}

type SizeProps = Omit<Props, "drop" | "nameOf"> & { item: DropItem; name: string; isAtLimit: boolean };

function Size({ item, phase, flow, name, barred, isAtLimit, onHeld, onLook }: SizeProps) {
  const state = itemStateOf(item, phase);
  const busy = flow.busy.value[item.sku];
  const canClaim = state === "available" && !barred && !isAtLimit;
  const isMine = state === "all_held" && flow.heldOf(item.sku) >= item.held;
  const label = t("drop.claimItem", { item: name, price: money(item.price) });
  const claim = async (byKeyboard: boolean) => {
    if (!busy && (await flow.claim(item.sku))) onHeld(byKeyboard);
  };
  return (
    <li
      class={state === "sold_out" || state === "closed" ? "size inactive" : "size"}
      onPointerEnter={() => onLook(item.sku)}
      onFocusIn={() => onLook(item.sku)}
    >
      <div>
        <p class="size-name">{name}</p>
        <p class={state === "available" && item.available <= FEW ? "size-left few digits" : "size-left digits"}>
          {state === "sold_out"
            ? t("drop.itemGone")
            : state === "all_held"
              ? t(isMine ? "drop.itemMine" : "drop.itemHeld")
              : tn("drop.left", item.available)}
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
          aria-disabled={busy !== undefined || !canClaim}
          aria-label={isAtLimit ? `${label}. ${t("claim.limitTitle")}` : label}
          onClick={(event) => void claim(event.detail === 0)}
        >
          {t(busy && busy !== "answered" ? "drop.claiming" : isAtLimit ? "drop.atLimit" : "drop.claim")}
        </button>
      </div>
    </li>
  );
}
