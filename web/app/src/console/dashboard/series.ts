/** The series of a drop from the server: one point for each interval in which something happened. */
import type { DropSeriesPoint, Money } from "@fusioncommerce/client";

/** A point with its times in seconds since 1970. */
export interface Point {
  at: number;
  seconds: number;
  claims: number;
  sold: number;
  held: number;
  soldTotal: number;
  /** The total revenue at the end of the point. */
  revenueTotal: Money;
  /** `undefined` if viewers were not counted. */
  viewers: number | undefined;
}

export function pointOf(point: DropSeriesPoint): Point {
  return {
    at: Math.floor(Date.parse(point.at) / 1000),
    seconds: point.resolution_seconds,
    claims: point.claims,
    sold: point.sold,
    held: point.held,
    soldTotal: point.sold_total,
    revenueTotal: point.revenue_total,
    viewers: point.viewers,
  };
}

/** Returns the points, with those of a later response replacing all that they cover. */
export function joined(points: readonly Point[], later: readonly Point[]): Point[] {
  const from = later[0]?.at ?? Infinity;
  return [...points.filter(({ at }) => at < from), ...later];
}

/** Returns the claims per second over the last `seconds` before `now`. */
export function rate(points: readonly Point[], now: number, seconds: number): number {
  let sum = 0;
  for (let index = points.length - 1; index >= 0; index -= 1) {
    const point = points[index];
    if (!point || point.at <= now - seconds) break;
    sum += point.claims;
  }
  return sum / seconds;
}

/** The widths of bars, in seconds. They include the resolutions of points. */
const BAR_SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 7 * 86_400];

export interface Bars {
  /** The width of each bar, in seconds. */
  width: number;
  /** The start of each bar. */
  at: number[];
  claims: number[];
}

/**
 * Returns the units claimed from `from` to `to`, in at most `most` bars. Claims are summed, so that no burst is lost or
 * smeared.
 */
export function barsOf(points: readonly Point[], from: number, to: number, most: number): Bars {
  const shown = points.filter(({ at, seconds }) => at + seconds > from && at <= to);
  const finest = Math.max((to - from) / Math.max(1, most), ...shown.map(({ seconds }) => seconds));
  const width = BAR_SECONDS.find((seconds) => seconds >= finest) ?? Math.ceil(finest);
  const first = Math.floor(from / width);
  const at = Array.from({ length: Math.floor(to / width) - first + 1 }, (_, index) => (first + index) * width);
  const claims = at.map(() => 0);
  for (const point of shown) {
    const index = Math.floor(point.at / width) - first;
    if (index >= 0 && index < claims.length) claims[index] = (claims[index] ?? 0) + point.claims;
  }
  return { width, at, claims };
}

/** A value over time: each value holds until the next instant. */
export interface Steps {
  at: number[];
  values: (number | null)[][];
}

/** Returns the values from `from` to `to`, at the end of each point. Before the first point the value is `before`. */
export function stepsOf(
  points: readonly Point[],
  from: number,
  to: number,
  values: ((point: Point) => number | undefined)[],
  before: (number | null)[],
): Steps {
  const known = points.filter((point) => endOf(point) <= from).at(-1);
  const valueOf = (point: Point, index: number) => values[index]?.(point) ?? null;
  const at = [from];
  const columns = values.map((_, index) => [known ? valueOf(known, index) : (before[index] ?? null)]);
  for (const point of points) {
    const end = endOf(point);
    if (end <= from || end > to) continue;
    at.push(end);
    columns.forEach((column, index) => column.push(valueOf(point, index)));
  }
  // The last value holds until now.
  if ((at.at(-1) ?? from) < to) {
    at.push(to);
    columns.forEach((column) => column.push(column.at(-1) ?? null));
  }
  return { at, values: columns };
}

/** The instant at which a point's numbers applied: a second counts as an instant, a longer interval at its end. */
const endOf = ({ at, seconds }: Point) => (seconds === 1 ? at : at + seconds);

export interface Busiest {
  at: number;
  claims: number;
  seconds: number;
}

/** Returns the interval with the most claims per second. */
export function busiest(points: readonly Point[]): Busiest | undefined {
  let found: Busiest | undefined;
  for (const { at, claims, seconds } of points) {
    if (claims > 0 && (!found || claims / seconds > found.claims / found.seconds)) found = { at, claims, seconds };
  }
  return found;
}

/** Returns the points by minute, or at a coarser stored resolution, newest first: for a table. */
export function minutes(points: readonly Point[], most: number): Point[] {
  const found = new Map<number, Point>();
  for (const point of points) {
    const at = Math.floor(point.at / 60) * 60;
    const { claims = 0, sold = 0, seconds = 60 } = found.get(at) ?? {};
    found.set(at, {
      ...point,
      at,
      seconds: Math.max(seconds, point.seconds),
      claims: claims + point.claims,
      sold: sold + point.sold,
    });
  }
  return [...found.values()].reverse().slice(0, most);
}
