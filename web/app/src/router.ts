/** The router. Links are plain links; a click on a link inside the shop changes the page without a reload. */
import { computed, signal } from "@preact/signals";

export const location = signal(new URL(window.location.href));
export const path = computed(() => location.value.pathname);

/** The history state of pages that were opened from inside the shop. */
const INSIDE = { inside: true } as const;

export function navigate(to: string, how: "push" | "replace" = "push"): void {
  const next = new URL(to, window.location.href);
  if (how === "push") history.pushState(INSIDE, "", next);
  else history.replaceState(history.state, "", next);
  const samePage = next.pathname === location.value.pathname;
  location.value = next;
  if (!samePage) window.scrollTo(0, 0);
}

/** Goes to the previous page if it belongs to the shop, otherwise to `otherwise`. */
export function back(otherwise: string): void {
  if ((history.state as typeof INSIDE | null)?.inside) history.back();
  else navigate(otherwise, "replace");
}

/** Returns the parts of `pattern` named by a colon; `undefined` if it does not match. */
export function match(pattern: string, actual: string): Record<string, string> | undefined {
  const wanted = pattern.split("/");
  const given = actual.replace(/(.)\/$/, "$1").split("/");
  if (wanted.length !== given.length) return undefined;
  const found: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const here = given[index] ?? "";
    if (part.startsWith(":")) {
      const name = decoded(here);
      if (name === undefined) return undefined;
      found[part.slice(1)] = name;
    } else if (part !== here) return undefined;
  }
  return found;
}

/** Decodes a part of a path; `undefined` if its percent-encoded bytes are not valid text. */
function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

export function startRouter(): void {
  addEventListener("popstate", () => {
    location.value = new URL(window.location.href);
  });
  addEventListener("hashchange", () => {
    location.value = new URL(window.location.href);
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = (event.target as Element).closest?.("a");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== window.location.origin) return;
    const href = link.getAttribute("href") ?? "";
    const served = ["/v1/", "/docs", "/openapi.json", "/problems"].some((path) => link.pathname.startsWith(path));
    if (href.startsWith("#") || served) return;
    event.preventDefault();
    navigate(link.href);
  });
}
