/** How a drop went while it was looked at: one sample for each second, as the server keeps none. */

const SAMPLES_MAX = 3600;

export interface Series {
  /** Seconds since 1970. */
  at: number[];
  /** New claims in that second. */
  claims: number[];
  available: number[];
  held: number[];
  sold: number[];
}

/** Kept while the console is open, so that a look at an order does not lose the picture. */
const kept = new Map<string, Series>();

export function seriesOf(dropId: string): Series {
  const known = kept.get(dropId);
  if (known) return known;
  const fresh: Series = { at: [], claims: [], available: [], held: [], sold: [] };
  kept.set(dropId, fresh);
  return fresh;
}

export interface Sample {
  claims: number;
  available: number;
  held: number;
  sold: number;
}

export function addSample(series: Series, second: number, sample: Sample): void {
  const last = series.at.length - 1;
  if (series.at[last] === second) {
    series.claims[last] = (series.claims[last] ?? 0) + sample.claims;
    series.available[last] = sample.available;
    series.held[last] = sample.held;
    series.sold[last] = sample.sold;
    return;
  }
  series.at.push(second);
  series.claims.push(sample.claims);
  series.available.push(sample.available);
  series.held.push(sample.held);
  series.sold.push(sample.sold);
  if (series.at.length > SAMPLES_MAX) for (const column of Object.values(series) as number[][]) column.shift();
}

/** Claims in a second, over the last `seconds`. */
export function rate(series: Series, now: number, seconds: number): number {
  let sum = 0;
  for (let index = series.at.length - 1; index >= 0 && (series.at[index] ?? 0) > now - seconds; index -= 1) {
    sum += series.claims[index] ?? 0;
  }
  return sum / seconds;
}

export interface Minute extends Sample {
  at: number;
}

/** The same, minute by minute, newest first: for a table. */
export function minutes(series: Series, count: number): Minute[] {
  const found = new Map<number, Minute>();
  series.at.forEach((second, index) => {
    const at = Math.floor(second / 60) * 60;
    const sample: Minute = found.get(at) ?? { at, claims: 0, available: 0, held: 0, sold: 0 };
    sample.claims += series.claims[index] ?? 0;
    sample.available = series.available[index] ?? 0;
    sample.held = series.held[index] ?? 0;
    sample.sold = series.sold[index] ?? 0;
    found.set(at, sample);
  });
  return [...found.values()].reverse().slice(0, count);
}
