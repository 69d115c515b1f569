import type { ComponentChildren } from "preact";
import { PageTitle } from "../../ui/page-title";

interface Props {
  title: string;
  /** The parent page. */
  up?: { href: string; label: string } | undefined;
  badge?: ComponentChildren;
  children?: ComponentChildren;
  lead?: ComponentChildren;
}

/** The head of every console page: title, parent page, and actions. */
export function PageHead({ title, up, badge, lead, children }: Props) {
  return (
    <div class="console-head">
      <div class="console-head-words">
        {up && (
          <a class="console-up" href={up.href}>
            <span aria-hidden="true">←</span> {up.label}
          </a>
        )}
        <div class="console-title">
          <PageTitle plain={title} />
          {badge}
        </div>
        {lead && <p class="quiet">{lead}</p>}
      </div>
      {children && <div class="console-head-actions">{children}</div>}
    </div>
  );
}
