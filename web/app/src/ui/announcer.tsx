/** Announcements for screen readers: milestones only, not every tick. */
import { signal } from "@preact/signals";

const spoken = signal("");

export function announce(text: string): void {
  // A repeated text is announced again only if the region was empty in between.
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
