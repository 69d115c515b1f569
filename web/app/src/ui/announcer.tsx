/** What a screen reader is told without being asked: milestones only, never every tick. */
import { signal } from "@preact/signals";

const spoken = signal("");

export function announce(text: string): void {
  // The same words twice are heard twice only when the region was empty in between.
  spoken.value = "";
  setTimeout(() => {
    spoken.value = text;
  }, 60);
}

export function Announcer() {
  return (
    <div class="unseen" role="status" aria-live="polite">
      {spoken.value}
    </div>
  );
}
