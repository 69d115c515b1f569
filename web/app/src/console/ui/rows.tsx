import type { ComponentChildren } from "preact";

export interface Column<T> {
  label: string;
  cell: (item: T) => ComponentChildren;
  /** Whether to align numbers. */
  numeric?: boolean;
  /** For buttons: the heading is only for screen readers. */
  actions?: boolean;
  /** Whether the cell has a separate line on a card. */
  wide?: boolean;
}

interface Props<T> {
  /** The caption of the table, for screen readers. */
  caption: string;
  columns: Column<T>[];
  items: readonly T[];
  keyOf: (item: T) => string;
  /** Whether the row is new. */
  fresh?: (item: T) => boolean;
  /** Whether the table has many short rows. */
  tight?: boolean;
}

/**
 * A table whose rows become cards on a narrow screen. Its first column names the row. Roles are set explicitly because
 * a table without table layout loses its implicit roles.
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
