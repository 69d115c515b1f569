import { Notice } from "../../ui/notice";
import { Rows } from "../ui/rows";
import { ct } from "../words";

interface Line {
  label: string;
  theirs: string;
  yours?: string;
}

interface Props {
  conflicts: Line[];
  onTheirs: () => void;
  onMine: () => void;
}

/**
 * A notice that another person has saved meanwhile: their changes beside the values of the form, and the choice between
 * them.
 */
export function ConflictNotice({ conflicts, onTheirs, onMine }: Props) {
  const empty = <span class="quiet">{ct("common.nothing")}</span>;
  return (
    <div class="conflict">
      <Notice
        tone="warn"
        alert
        title={ct("conflict.title")}
        actions={
          <>
            <button class="button" type="button" onClick={onMine}>
              {ct("conflict.mine")}
            </button>
            <button class="button second" type="button" onClick={onTheirs}>
              {ct("conflict.theirs")}
            </button>
          </>
        }
      >
        <p>{ct("conflict.text")}</p>
        {conflicts.length > 0 && (
          <Rows
            caption={ct("conflict.table")}
            tight
            items={conflicts}
            keyOf={({ label }) => label}
            columns={[
              { label: ct("conflict.field"), cell: ({ label }) => label },
              { label: ct("conflict.now"), cell: ({ theirs }) => theirs || empty },
              {
                label: ct("conflict.yours"),
                cell: ({ yours }) => yours ?? <span class="quiet">{ct("conflict.untouched")}</span>,
              },
            ]}
          />
        )}
      </Notice>
    </div>
  );
}
