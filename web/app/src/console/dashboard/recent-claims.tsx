import type { Claim } from "@fusioncommerce/client";
import { money } from "../../i18n";
import { clockOrDay, clockTime, wholeNumber } from "../format";
import { Trouble } from "../problems";
import { Waiting } from "../ui/list-state";
import { Rows } from "../ui/rows";
import { ct } from "../words";

interface Props {
  claims: Claim[] | undefined;
  error: unknown;
  nameOf: (sku: string) => string;
}

/** The newest claims. They are not announced to screen readers: the numbers above contain the same information. */
export function RecentClaims({ claims, error, nameOf }: Props) {
  if (!claims) return error === undefined ? <Waiting rows={3} /> : <Trouble error={error} title={ct("problem.load")} />;
  if (claims.length === 0) return <p class="quiet">{ct("live.noClaims")}</p>;
  return (
    <Rows
      caption={ct("live.recent")}
      tight
      items={claims}
      keyOf={({ id }) => id}
      columns={[
        { label: ct("live.item"), cell: ({ sku }) => nameOf(sku) },
        { label: ct("live.when"), cell: ({ created_at }) => <Time instant={created_at} /> },
        { label: ct("live.buyer"), cell: ({ buyer }) => <Buyer buyer={buyer} /> },
        { label: ct("drop.units"), numeric: true, cell: ({ quantity }) => wholeNumber(quantity) },
        { label: ct("product.price"), numeric: true, cell: ({ unit_price }) => money(unit_price) },
        { label: ct("drop.standing"), wide: true, cell: (claim) => <Standing claim={claim} /> },
      ]}
    />
  );
}

function Time({ instant }: { instant: string }) {
  return (
    <time class="digits" dateTime={instant}>
      {clockOrDay(instant)}
    </time>
  );
}

/** The masked buyer: enough to tell buyers apart. */
function Buyer({ buyer }: { buyer: Claim["buyer"] }) {
  if (!buyer) return <>–</>;
  if (buyer.email !== undefined) return <span class="small masked">{buyer.email}</span>;
  return <span class="small guest">{ct("live.guest", { ending: buyer.id_ending })}</span>;
}

function Standing({ claim }: { claim: Claim }) {
  switch (claim.state) {
    case "held":
      return (
        <span>
          <span class="badge soon">{ct("live.claimHeld")}</span>{" "}
          <span class="small quiet digits">
            {claim.checkout_id ? ct("live.inCheckout") : ct("live.heldUntil", { time: clockTime(claim.expires_at) })}
          </span>
        </span>
      );
    case "sold":
      return (
        <span>
          <span class="badge good">{ct("live.claimSold")}</span>{" "}
          {claim.order_id && (
            <a class="small" href={`/console/orders/${claim.order_id}`}>
              {ct("live.toOrder")}
            </a>
          )}
        </span>
      );
    default:
      return (
        <span>
          <span class="badge">{ct("live.claimReleased")}</span>{" "}
          {claim.released && <span class="small quiet">{ct(`live.released.${claim.released}`)}</span>}
        </span>
      );
  }
}
