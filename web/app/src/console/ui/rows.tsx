import type { ComponentChildren } from "preact";

export interface Column<T> {
  label: string;
  cell: (item: T) => ComponentChildren;
  /** Numbers stand under each other. */
  numeric?: boolean;
  /** For buttons: its heading is heard only. */
  actions?: boolean;
  /** On a card it has a line of its own. */
  wide?: boolean;
}

interface Props<T> {
  /** What the table is, for who cannot see it. */
  caption: string;
  columns: Column<T>[];
  items: readonly T[];
  keyOf: (item: T) => string;
  /** What has just come in. */
  fresh?: (item: T) => boolean;
  /** Many short rows. */
  tight?: boolean;
}

/**
 * A table whose rows become cards on a narrow screen. Its first column names the row. The roles stand on the elements
 * because a table that is not laid out as one loses them.
 */
export function Rows<T>({ caption, columns, items, keyOf, fresh, tight = false }: Props<T>) {
  return (
    <table class={tight ? "rows tight" : "rows"} role="table">
      <caption class="unseen">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ label, numeric, actions }) => (
            <th key={label} role="columnheader" scope="col" class={numeric ? "numeric" : ""}>
              <span class={actions ? "unseen" : ""}>{label}</span>
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {items.map((item) => (
          <tr key={keyOf(item)} role="row" class={fresh?.(item) ? "fresh" : ""}>
            {columns.map(({ label, cell, numeric, actions, wide }, index) =>
              index === 0 ? (
                <th key={label} role="rowheader" scope="row">
                  {cell(item)}
                </th>
              ) : (
                <td
                  key={label}
                  role="cell"
                  class={numeric ? "numeric" : actions ? "row-actions" : wide ? "wide" : ""}
                  {...(actions ? {} : { "data-label": label })}
                >
                  {cell(item)}
                </td>
              ),
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
