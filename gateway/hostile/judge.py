"""Compares measurements with their bounds, and prints both."""

import threading
import traceback
from typing import NamedTuple

from others import percentile

# Lines of attacks that run at the same time are printed together.
_printing = threading.Lock()
# The minimum number of claims during an attack for a meaningful median.
MEDIAN_CLAIMS_MIN = 50


class Bound(NamedTuple):
    """The maximum of a figure: `most`, plus `times` a figure of the same run without the attack."""

    most: float
    unit: str
    why: str
    times: float = 0

    def of(self, baseline):
        return round(self.most + self.times * baseline, 1)


class Judge:
    """The judge of one attack. `bounds` are those of all attacks, by `attack.figure`."""

    def __init__(self, attack, bounds):
        self.attack, self.failed = attack.__name__, 0
        self.checks, self.figures, self.notes = {}, [], {}
        self._bounds = bounds
        self._lines = [f"== {self.attack}: {attack.__doc__.splitlines()[0]}"]

    def __call__(self, what, holds, found=None):
        """Records a check without a figure. `found` is printed if it fails."""
        self.checks[what] = bool(holds)
        self.failed += not holds
        shown = "" if holds or found is None else f": {found!r}"[:600]
        self._lines.append(f"  {'ok  ' if holds else 'FAIL'} {what}{shown}")

    def measure(self, figure, measured, baseline=0):
        """Compares a figure with its bound. `None` is a time beyond the timeout."""
        bound = self._bounds[f"{self.attack}.{figure}"]
        most = bound.of(baseline)
        holds = measured is not None and measured <= most
        shown = "beyond the timeout" if measured is None else round(measured, 2 if measured < 1 else 1)
        self.failed += not holds
        self.figures.append((figure, shown, most, bound.unit, holds))
        self._lines.append(f"  {'ok  ' if holds else 'FAIL'} {figure}: {shown} {bound.unit}, bound {most}")

    def note(self, **figures):
        """Reports figures without judging them."""
        self.notes |= figures
        self._lines.append("       " + ", ".join(f"{name} {value}" for name, value in figures.items()))

    def others(self, others):
        """Judges the effect on other buyers."""
        self("every request of the other buyers succeeded", not others.faults, others.faults[:2])
        if others.quiet_ms and others.busy_ms:
            quiet_p50, quiet_p99 = percentile(others.quiet_ms, 0.5), percentile(others.quiet_ms, 0.99)
            # A short attack has too few: half of them may wait for one stall of the disk.
            if len(others.busy_ms) >= MEDIAN_CLAIMS_MIN:
                self.measure("others_claim_p50", percentile(others.busy_ms, 0.5), quiet_p50)
            self.measure("others_claim_p99", percentile(others.busy_ms, 0.99), quiet_p99)
            self.measure("others_read_p99", percentile(others.reads_ms, 0.99), quiet_p99)
            quiet = {"quiet_p50_ms": round(quiet_p50, 1), "quiet_p99_ms": round(quiet_p99, 1)}
            self.note(**quiet, claims=len(others.busy_ms))
        else:
            self("the other buyers claimed before and during the attack", False)

    def run(self, attack):
        """Runs the attack; an exception counts as a failed check."""
        try:
            attack(self)
        except Exception:
            self.failed += 1
            self._lines.append(f"  FAIL {traceback.format_exc()}")

    def print(self):
        with _printing:
            print("\n".join(self._lines), flush=True)


def print_table(judges):
    """All figures with their bounds."""
    header = "attack", "figure", "measured", "bound", "unit"
    rows = [(j.attack, name, shown, most, unit, holds) for j in judges for name, shown, most, unit, holds in j.figures]
    texts = [header, *(tuple(map(str, row[:5])) for row in rows)]
    widths = [max(len(text[column]) for text in texts) for column in range(5)]
    for text, holds in zip(texts, [True, *(row[5] for row in rows)], strict=True):
        cells = [text[0].ljust(widths[0]), text[1].ljust(widths[1]), text[2].rjust(widths[2]), text[3].rjust(widths[3])]
        print("  ".join([*cells, text[4].ljust(widths[4])]).rstrip() + ("" if holds else "  FAIL"))
