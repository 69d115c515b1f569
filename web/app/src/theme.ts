import { signal } from "@preact/signals";
import { forget, keep, recall } from "./storage";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

/** `public/theme.js` reads the same key before the first paint. */
export const theme = signal<Theme>(recall<Theme>("theme") ?? "system");

export function chooseTheme(next: Theme): void {
  theme.value = next;
  if (next === "system") {
    forget("theme");
    delete document.documentElement.dataset["theme"];
  } else {
    keep("theme", next);
    document.documentElement.dataset["theme"] = next;
  }
}
