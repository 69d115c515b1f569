/**
 * Keeps a second tap from landing on a control that has just come under the finger.
 *
 * After each tap the place of the tap is watched. A tap at the same place counts only when the control there has been the
 * same, by the same name, for `SETTLE_MS`, or is the one that the first tap was meant for. Keyboards and programs do not tap.
 */

/** The longest pause within a double tap that systems take for one (Windows: 500 ms; others: less). */
const SETTLE_MS = 500;
/** How far apart two taps of a finger at one place are, at the most. */
const REACH_PX = 24;
/** How long after a tap its place is watched: an impatient finger comes again within that time. */
const WATCH_MS = 5_000;
/** How often it is looked at: what changes in between is noticed that much later. */
const LOOK_MS = 50;

const CONTROLS = "a, button, input, select, textarea, label, summary";

interface Watch {
  x: number;
  y: number;
  startedAt: number;
  control: Element | undefined;
  name: string;
  /** When what is there was first seen. `undefined`: it is what the first tap was meant for. */
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

  // Who types or chooses in between has seen what is there.
  document.addEventListener("input", () => (watch = undefined), { capture: true });
  document.addEventListener(
    "click",
    (event) => {
      // The click that a label hands on to its field has the label's place and time: it is the same tap.
      if (!event.isTrusted || event.detail === 0) return;
      const at = performance.now();
      const isAgain = watch && Math.hypot(event.clientX - watch.x, event.clientY - watch.y) <= REACH_PX;
      if (watch && isAgain && at - watch.startedAt <= WATCH_MS) {
        look(watch, at);
        if (watch.changedAt !== undefined && at - watch.changedAt < SETTLE_MS) {
          event.preventDefault();
          event.stopImmediatePropagation();
          // A third tap of the same series counts as little.
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
 * What a control is called: one that means something else is another, though the browser keeps the element. One that looks
 * after its second tap itself says so by `data-tap`, and is the same whatever it says.
 */
function nameOf(control: Element | undefined): string {
  if (!control || control instanceof HTMLInputElement || control instanceof HTMLSelectElement) return "";
  return control.getAttribute("data-tap") ?? control.getAttribute("aria-label") ?? control.textContent ?? "";
}
