/** The charts of a drop. The chart library is loaded only with this file. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { money } from "../../i18n";
import { theme } from "../../theme";
import { axisTime, wholeNumber } from "../format";
import { ct, durationWords } from "../words";
import { barsOf, stepsOf, type Point } from "./series";

const HEIGHT = 190;
/** The minimum width of a bar; narrower bars cannot be distinguished. */
const BAR_PX = 2;
/** The gap beside the labels of an axis. */
const LABEL_GAP = 8;

interface Line {
  label: string;
  colour: string;
  /** The theme colour of the area below the line. */
  fill?: string;
}

interface Props {
  points: Point[];
  /** The visible range, in seconds since 1970. */
  from: number;
  to: number;
}

export default function Charts({ points, from, to }: Props) {
  const currency = points[0]?.revenueTotal.currency;
  const price = (amount: number) => (currency ? money({ amount, currency }) : "");
  return (
    <div class="charts">
      <Chart
        title={ct("live.claimsChart")}
        noteOf={(width) => ct("live.barIs", { time: durationWords(barsOf(points, from, to, width / BAR_PX).width) })}
        lines={[{ label: ct("live.claims"), colour: "--accent", fill: "--accent" }]}
        bars
        data={(width) => {
          const { at, claims } = barsOf(points, from, to, width / BAR_PX);
          return [at, claims];
        }}
        points={points}
        from={from}
        to={to}
      />
      <Chart
        title={ct("live.unitsChart")}
        lines={[
          { label: ct("live.sold"), colour: "--accent" },
          { label: ct("live.held"), colour: "--warn" },
        ]}
        data={() => {
          const { at, values } = stepsOf(points, from, to, [({ soldTotal }) => soldTotal, ({ held }) => held], [0, 0]);
          return [at, ...values];
        }}
        points={points}
        from={from}
        to={to}
      />
      <Chart
        title={ct("live.revenue")}
        lines={[{ label: ct("live.revenue"), colour: "--accent", fill: "--accent-soft" }]}
        labelOf={price}
        least={100}
        data={() => {
          const { at, values } = stepsOf(points, from, to, [({ revenueTotal }) => revenueTotal.amount], [0]);
          return [at, ...values];
        }}
        points={points}
        from={from}
        to={to}
      />
      <Chart
        title={ct("live.viewers")}
        lines={[{ label: ct("live.viewers"), colour: "--ink-quiet" }]}
        data={() => {
          const { at, values } = stepsOf(points, from, to, [({ viewers }) => viewers], [null]);
          return [at, ...values];
        }}
        points={points}
        from={from}
        to={to}
      />
    </div>
  );
}

interface ChartProps {
  title: string;
  lines: Line[];
  /** Whether to draw bars instead of a line. */
  bars?: boolean;
  /** Returns the note beside the title, for the width of the plot. */
  noteOf?: (width: number) => string;
  /** Formats a value of the axis. */
  labelOf?: (value: number) => string;
  /** The top of the axis if no value is higher. */
  least?: number;
  /** Returns the columns, for the width of the plot. */
  data: (width: number) => (number | null)[][];
  /** The points; a change redraws the chart. */
  points: Point[];
  from: number;
  to: number;
}

/** A chart, hidden from screen readers: the same numbers are in the text above it and, by minute, in a table below. */
function Chart({ title, lines, bars, noteOf, labelOf = wholeNumber, least = 1, data, points, from, to }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const note = useRef<HTMLSpanElement>(null);
  const plot = useRef<uPlot>();
  const chosenTheme = theme.value;
  // uPlot keeps its options, so the drawing functions look up the latest values.
  const latest = useRef({ data, noteOf, labelOf, from, to });
  latest.current = { data, noteOf, labelOf, from, to };

  const redraw = () => {
    const chart = plot.current;
    if (!chart) return;
    const { data, noteOf, from, to } = latest.current;
    const width = chart.width;
    chart.batch(() => {
      chart.setData(data(width) as uPlot.AlignedData, false);
      chart.setScale("x", { min: from, max: to });
    });
    if (note.current) note.current.textContent = noteOf?.(width) ?? "";
  };

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const draw = () => {
      plot.current?.destroy();
      const labelOf = (value: number) => latest.current.labelOf(value);
      plot.current = new uPlot(optionsFor(element, lines, bars === true, labelOf, least), [[]], element);
      redraw();
    };
    draw();
    const sized = new ResizeObserver(() => {
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT });
      redraw();
    });
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

  useEffect(redraw, [points, from, to]);

  return (
    <figure class="chart">
      <figcaption>
        <b>{title}</b>
        {noteOf && <span class="chart-legend" ref={note} />}
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

function optionsFor(
  element: HTMLElement,
  lines: Line[],
  bars: boolean,
  labelOf: (value: number) => string,
  least: number,
): uPlot.Options {
  const styles = getComputedStyle(element);
  // `light-dark()` is resolved where it is used as a colour, not in the variable itself.
  const probe = element.appendChild(document.createElement("i"));
  const colour = (name: string) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const font = `12px ${styles.fontFamily}`;
  const measured = document.createElement("canvas").getContext("2d");
  const widthOf = (text: string) => {
    if (!measured) return text.length * 8;
    measured.font = font;
    return Math.ceil(measured.measureText(text).width);
  };
  const axis: uPlot.Axis = {
    stroke: colour("--ink-quiet"),
    font,
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  const { bars: barPaths, stepped } = uPlot.paths;
  const paths = bars ? barPaths?.({ size: [1, Infinity], align: 1 }) : stepped?.({ align: 1 });
  const drawn = lines.map(({ label, colour: name, fill }): uPlot.Series => ({
    label,
    stroke: colour(name),
    width: bars ? 0 : 2,
    points: { show: false },
    ...(fill ? { fill: colour(fill) } : {}),
    ...(paths ? { paths } : {}),
  }));
  probe.remove();
  const spanOf = ({ scales }: uPlot) => (scales["x"]?.max ?? 0) - (scales["x"]?.min ?? 0);
  const labelWidth = (chart: uPlot) => widthOf(axisTime(0, spanOf(chart)));
  return {
    width: element.clientWidth,
    height: HEIGHT,
    // A label is centred under its tick: half of it may extend beyond the last tick.
    padding: [12, (chart) => Math.ceil(labelWidth(chart) / 2), 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: true, auto: false },
      y: { range: (_, __, max) => [0, Math.max(least, Math.ceil((max || 0) * 1.15))] },
    },
    axes: [
      {
        ...axis,
        size: 30,
        space: (chart) => labelWidth(chart) + 2 * LABEL_GAP,
        values: (chart, ticks) => ticks.map((tick) => axisTime(tick * 1000, spanOf(chart))),
      },
      {
        ...axis,
        gap: LABEL_GAP,
        // As wide as its longest label, so that none is truncated.
        size: (_, values) => Math.max(24, ...(values ?? []).map(widthOf)) + 2 * LABEL_GAP,
        incrs: Array.from({ length: 16 }, (_, power) => 10 ** power).flatMap((step) => [step, 2 * step, 5 * step]),
        values: (_, ticks) => ticks.map((tick) => labelOf(tick)),
      },
    ],
    series: [{}, ...drawn],
  };
}
