/** The two charts of a drop. Their library comes with this file, and with it alone. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "../../theme";
import { clockTime, wholeNumber } from "../format";
import { ct } from "../words";
import type { Series } from "./series";

const HEIGHT = 190;
/** Claims in a second are drawn as the mean of so many: single seconds flicker. */
const SMOOTH_SECONDS = 3;

interface Line {
  label: string;
  colour: string;
  /** A name of the theme's for the area below. */
  fill?: string;
}

interface Props {
  series: Series;
  /** Ticks with the data. */
  second: number;
  /** How far back, in seconds. */
  span: number;
}

export default function Charts({ series, second, span }: Props) {
  return (
    <div class="charts">
      <Chart
        title={ct("live.rateChart")}
        second={second}
        span={span}
        lines={[{ label: ct("live.claimsPerSecond"), colour: "--accent", fill: "--accent-soft" }]}
        data={() => [series.at, smooth(series)]}
      />
      <Chart
        title={ct("live.unitsChart")}
        second={second}
        span={span}
        lines={[
          { label: ct("live.sold"), colour: "--accent" },
          { label: ct("live.held"), colour: "--warn" },
          { label: ct("live.available"), colour: "--ink-quiet" },
        ]}
        data={() => [series.at, series.sold, series.held, series.available]}
      />
    </div>
  );
}

function smooth({ at, claims }: Series): number[] {
  let sum = 0;
  let from = 0;
  return claims.map((count, index) => {
    sum += count;
    while ((at[from] ?? 0) <= (at[index] ?? 0) - SMOOTH_SECONDS) {
      sum -= claims[from] ?? 0;
      from += 1;
    }
    return sum / SMOOTH_SECONDS;
  });
}

interface ChartProps {
  title: string;
  lines: Line[];
  data: () => number[][];
  second: number;
  span: number;
}

/** Drawn for the eye only: the same numbers stand above it, and minute by minute in a table below. */
function Chart({ title, lines, data, second, span }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const chosenTheme = theme.value;

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsFor(element, lines), data() as uPlot.AlignedData, element);
    };
    draw();
    const sized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    sized.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    return () => {
      sized.disconnect();
      dark.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [chosenTheme, title]);

  useEffect(() => {
    plot.current?.setData(data() as uPlot.AlignedData, false);
    plot.current?.setScale("x", { min: second - span, max: second });
  }, [second, span]);

  return (
    <figure class="chart">
      <figcaption>
        <b>{title}</b>
        {lines.length > 1 && (
          <span class="chart-legend">
            {lines.map(({ label, colour }) => (
              <span key={label} class={`chart-key key${colour}`}>
                {label}
              </span>
            ))}
          </span>
        )}
      </figcaption>
      <div class="chart-place" ref={place} aria-hidden="true" />
    </figure>
  );
}

function optionsFor(element: HTMLElement, lines: Line[]): uPlot.Options {
  const styles = getComputedStyle(element);
  // `light-dark()` is resolved where it is used as a colour, not in the variable itself.
  const probe = element.appendChild(document.createElement("i"));
  const colour = (name: string) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const axis: uPlot.Axis = {
    stroke: colour("--ink-quiet"),
    font: `12px ${styles.fontFamily}`,
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  const drawn = lines.map(({ label, colour: name, fill }): uPlot.Series => ({
    label,
    stroke: colour(name),
    width: 2,
    points: { show: false },
    ...(fill ? { fill: colour(fill) } : {}),
  }));
  probe.remove();
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [12, 8, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: true, auto: false },
      y: { range: (_, __, max) => [0, Math.max(1, Math.ceil((max || 0) * 1.15))] },
    },
    axes: [
      { ...axis, size: 30, space: 90, values: (_, ticks) => ticks.map((tick) => clockTime(tick * 1000)) },
      {
        ...axis,
        size: 48,
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000],
        values: (_, ticks) => ticks.map(wholeNumber),
      },
    ],
    series: [{}, ...drawn],
  };
}
