import type { RejectedRow } from "@fusioncommerce/client";
import { useState } from "preact/hooks";
import { read } from "../asking";
import { wholeNumber } from "../format";
import { Trouble } from "../problems";
import { ListState } from "../ui/list-state";
import { Rows } from "../ui/rows";
import { usePages } from "../ui/use-pages";
import { ct, ctn } from "../words";

const SHOWN_AT_ONCE = 50;
const FETCHED_AT_ONCE = 200;

interface Props {
  importId: string;
  count: number;
  fileName: string;
}

/** The refused rows with their reasons, also as a file that can be corrected and imported again. */
export function RefusedRows({ importId, count, fileName }: Props) {
  const [saving, setSaving] = useState(false);
  const [error, setError] = useState<unknown>();
  const pages = usePages(importId, (cursor) =>
    read("list_rejected_rows", { params: { id: importId, limit: SHOWN_AT_ONCE, ...(cursor ? { cursor } : {}) } }),
  );

  const save = async () => {
    if (saving) return;
    setSaving(true);
    setError(undefined);
    try {
      saveFile(`${fileName.replace(/\.csv$/i, "")}-${ct("import.refusedFile")}.csv`, asCsv(await allRows(importId)));
    } catch (thrown) {
      setError(thrown);
    } finally {
      setSaving(false);
    }
  };

  return (
    <section class="sheet" aria-labelledby="refused-head">
      <div class="sheet-head">
        <h2 id="refused-head">{ctn("import.refused", count)}</h2>
        <button class="button second small-button" type="button" aria-disabled={saving} onClick={() => void save()}>
          {saving ? ct("common.working") : ct("import.download")}
        </button>
      </div>
      <p class="quiet small">{ct("import.refusedText")}</p>
      {error !== undefined && <Trouble error={error} onRetry={() => void save()} />}
      <ListState pages={pages} empty={{ title: ct("import.refusedGone") }}>
        {(rows) => (
          <Rows
            caption={ctn("import.refused", count)}
            tight
            items={rows}
            keyOf={(row) => `${row.line} ${row.column ?? ""} ${row.reason}`}
            columns={[
              { label: ct("import.line"), cell: ({ line }) => <span class="digits">{wholeNumber(line)}</span> },
              {
                label: ct("import.column"),
                cell: ({ column }) => column ?? <span class="quiet">{ct("import.wholeRow")}</span>,
              },
              { label: ct("import.reason"), wide: true, cell: ({ reason }) => reason },
            ]}
          />
        )}
      </ListState>
    </section>
  );
}

async function allRows(id: string): Promise<RejectedRow[]> {
  const rows: RejectedRow[] = [];
  let cursor: string | undefined;
  do {
    const page = await read("list_rejected_rows", {
      params: { id, limit: FETCHED_AT_ONCE, ...(cursor ? { cursor } : {}) },
    });
    rows.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor);
  return rows;
}

/** Quotes every cell, and escapes cells that a spreadsheet would run as a formula. */
function asCsv(rows: RejectedRow[]): string {
  const cell = (text: string) => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  const lines = rows.map(({ line, column, reason }) => [String(line), column ?? "", reason].map(cell).join(","));
  return ["line,column,reason", ...lines].join("\r\n") + "\r\n";
}

function saveFile(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
