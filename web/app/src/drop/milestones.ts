/** Announces 60, 30 and 10 seconds before a moment, once each, for users who do not see the countdown. */
import { useEffect, useRef } from "preact/hooks";
import { msUntil, now } from "../clock";
import { t } from "../i18n";
import { announce } from "../ui/announcer";

const MILESTONES_S = [60, 30, 10] as const;

export function useMilestones(until: string | undefined): void {
  const announced = useRef<{ until: string | undefined; next: number }>({ until: undefined, next: 0 });
  useEffect(
    () =>
      now.subscribe((instant) => {
        if (until === undefined) return;
        const leftS = msUntil(until, instant) / 1000;
        if (announced.current.until !== until) {
          // Milestones that passed before the page was opened are not announced.
          announced.current = { until, next: MILESTONES_S.filter((second) => second >= leftS).length };
        }
        const next = MILESTONES_S[announced.current.next];
        if (next === undefined || leftS > next || leftS <= 0) return;
        announced.current.next = MILESTONES_S.filter((second) => second >= leftS).length;
        announce(t(`milestone.${MILESTONES_S[announced.current.next - 1] ?? next}`));
      }),
    [until],
  );
}
