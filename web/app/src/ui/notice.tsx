import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "./icon";

export type Tone = "info" | "good" | "warn" | "bad";

const ICON: Record<Tone, IconName> = { info: "info", good: "check", warn: "clock", bad: "alert" };

interface Props {
  tone?: Tone;
  title: string;
  children?: ComponentChildren;
  /** The next step: buttons or links. */
  actions?: ComponentChildren;
  /** Whether a screen reader announces it at once: for responses to what the buyer just did. */
  alert?: boolean;
}

export function Notice({ tone = "info", title, children, actions, alert = false }: Props) {
  return (
    <div class={`notice notice-${tone}`} {...(alert ? { role: "alert" } : {})}>
      <Icon name={ICON[tone]} />
      <div class="notice-body">
        <p class="notice-title">{title}</p>
        {children && <div class="notice-text">{children}</div>}
        {actions && <div class="actions">{actions}</div>}
      </div>
    </div>
  );
}
