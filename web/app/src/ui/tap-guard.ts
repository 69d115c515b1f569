/**
 * Ignores a second tap that hits a control which has just appeared under the finger.
 *
 * After each tap its position is watched. A tap at the same position counts only if the control there has been the
 * same, with the same name, for `SETTLE_MS`, or is the target of the first tap. Keyboard and synthetic clicks are not
 * affected.
 */

/** The longest pause within a double tap in common systems (Windows: 500 ms; others: less). */
const SETTLE_MS = 500;
/** The maximum distance between two taps of a finger at one position. */
const REACH_PX = 24;
/** How long the position of a tap is watched: an impatient buyer taps again within that time. */
const WATCH_MS = 5_000;
/** The interval of checks: a change in between is noticed that much later. */
const LOOK_MS = 50;

const CONTROLS = "a, button, input, select, textarea, label, summary";

interface Watch {
  x: number;
  y: number;
  startedAt: number;
  control: Element | undefined;
  name: string;
  /** The time when the present control was first seen. `undefined`: it is the target of the first tap. */
  changedAt: number | undefined;
}

export function guardTaps(): void {
  let watch: Watch | undefined;
  let timer = 0;

  const look = (seen: Watch, at: number) => {
    const control = controlAt(document.elementFromPoint(seen.x, seen.y));
    const name = nameOf(control);
    if (control === seen.control && name === seen.name) return;
    seen.control = control;
    seen.name = name;
    seen.changedAt = at;
  };

  const start = (event: MouseEvent, at: number) => {
    clearInterval(timer);
    const control = controlAt(event.target);
    watch = { x: event.clientX, y: event.clientY, startedAt: at, control, name: nameOf(control), changedAt: undefined };
    timer = window.setInterval(() => {
      const now = performance.now();
      if (!watch || now - watch.startedAt > WATCH_MS) clearInterval(timer);
      else look(watch, now);
    }, LOOK_MS);
  };

  // A user who types or chooses in between has seen the present control.
  document.addEventListener("input", () => (watch = undefined), { capture: true });
  document.addEventListener(
    "click",
    (event) => {
      // The click that a label forwards to its field has the label's position and time: it is the same tap.
      if (!event.isTrusted || event.detail === 0) return;
      const at = performance.now();
      const isAgain = watch && Math.hypot(event.clientX - watch.x, event.clientY - watch.y) <= REACH_PX;
      if (watch && isAgain && at - watch.startedAt <= WATCH_MS) {
        look(watch, at);
        if (watch.changedAt !== undefined && at - watch.changedAt < SETTLE_MS) {
          event.preventDefault();
          event.stopImmediatePropagation();
          // A third tap of the same series is ignored too.
          watch.changedAt = at;
          return;
        }
      }
      start(event, at);
    },
    { capture: true },
  );
}

function controlAt(target: EventTarget | null): Element | undefined {
  const control = target instanceof Element ? target.closest(CONTROLS) : null;
  return (control instanceof HTMLLabelElement ? control.control : control) ?? undefined;
}

/**
 * Returns the name of a control. A control with another meaning has another name, even if the browser reuses the
 * element. A control that handles its second tap itself has `data-tap`, and keeps its name whatever its label.
 */
function nameOf(control: Element | undefined): string {
  if (!control || control instanceof HTMLInputElement || control instanceof HTMLSelectElement) return "";
  return control.getAttribute("data-tap") ?? control.getAttribute("aria-label") ?? control.textContent ?? "";
}
