/** The parcels of an order: the contents and the tracking of each. */
import type { Order } from "@fusioncommerce/client";
import { useState } from "preact/hooks";
import { announce } from "../../ui/announcer";
import { Field } from "../../ui/field";
import { askOnce } from "../asking";
import { dayTime, wholeNumber } from "../format";
import { ActionDialog } from "../ui/dialog";
import { ct } from "../words";
import { LineOptions } from "./units";

type Parcel = Order["fulfillments"][number];

interface Props {
  order: Order;
  onDone: (order: Order, words: string) => void;
}

export function Parcels({ order, onDone }: Props) {
  const [correcting, setCorrecting] = useState<Parcel>();
  return (
    <>
      <ol class="parcels" role="list">
        {order.fulfillments.map((parcel, index) => (
          <li key={parcel.id}>
            <h3>{ct("order.parcel", { number: wholeNumber(index + 1) })}</h3>
            <p class="small quiet">
              <time dateTime={parcel.created_at}>{dayTime(parcel.created_at)}</time>
            </p>
            <ul role="list">
              {parcel.lines.map(({ line_id, quantity }) => {
                const line = order.lines.find(({ id }) => id === line_id);
                return (
                  line && (
                    <li key={line_id}>
                      {wholeNumber(quantity)} × {line.title} <LineOptions line={line} />
                    </li>
                  )
                );
              })}
            </ul>
            <p class="breakable">
              {parcel.tracking ?? <span class="quiet">{ct("order.noTracking")}</span>}{" "}
              <button class="link-button" type="button" onClick={() => setCorrecting(parcel)}>
                {ct("order.act.track")}
              </button>
            </p>
          </li>
        ))}
      </ol>
      {correcting && (
        <TrackingDialog
          order={order}
          parcel={correcting}
          onClose={() => setCorrecting(undefined)}
          onDone={(next, words) => {
            setCorrecting(undefined);
            onDone(next, words);
          }}
        />
      )}
    </>
  );
}

const TEXT_MAX = 500;

function TrackingDialog({ order, parcel, onClose, onDone }: Props & { parcel: Parcel; onClose: () => void }) {
  const [tracking, setTracking] = useState(parcel.tracking ?? "");
  return (
    <ActionDialog
      title={ct("order.trackTitle", { number: order.number })}
      confirm={ct("order.trackDo")}
      onClose={onClose}
      act={async () => {
        const after = await askOnce(`order.track.${parcel.id}`, "update_fulfillment", {
          params: { id: order.id, fulfillment_id: parcel.id },
          body: { tracking: tracking.trim() || null },
        });
        announce(ct("order.didTrack"));
        onDone(after, ct("order.didTrack"));
      }}
    >
      <p>{ct("order.trackText")}</p>
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
