/** A short confirmation of the last action. It overlays the page, moves nothing, and disappears automatically. */
import { signal } from "@preact/signals";
import { Icon } from "./icon";

/** Long enough to be read twice. */
const SHOWN_MS = 8_000;

const shown = signal("");
let timer = 0;

export function confirmWith(text: string): void {
  shown.value = text;
  clearTimeout(timer);
  timer = window.setTimeout(() => {
    shown.value = "";
  }, SHOWN_MS);
}

export function Toast() {
  return (
    <div role="status">
      {shown.value && (
        <p class="toast">
          <Icon name="check" />
          {shown.value}
        </p>
      )}
    </div>
  );
}
