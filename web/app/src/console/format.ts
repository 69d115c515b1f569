/** Amounts and times as a vendor writes and reads them. */
import { decimalAmount, parseAmount as parseTyped } from "@fusioncommerce/client";
import { locale } from "../i18n";
import type { Money } from "@fusioncommerce/client";

export { number as wholeNumber } from "../i18n";

export function decimal(n: number, digits: number): string {
  return new Intl.NumberFormat(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(n);
}

export function signed(n: number): string {
  return new Intl.NumberFormat(locale(), { signDisplay: "exceptZero" }).format(n);
}

/** What stands in a field for an amount: `129.00`. */
export function amountText(money: Money | undefined): string {
  return money ? decimalAmount(money) : "";
}

/** What was typed as an amount, in minor units; nothing where it is none. */
export function parseAmount(text: string, currency: string): number | undefined {
  return parseTyped(text, currency, locale());
}

/** A whole number as it was typed, with its sign; nothing where it is none. */
export function parseCount(text: string): number | undefined {
  const plain = text.trim().replace("\u2212", "-");
  return /^[+-]?\d{1,12}$/.test(plain) ? Number(plain) : undefined;
}

const DAY_AND_TIME: Intl.DateTimeFormatOptions = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };

/** Day and time in the browser's zone, with the year where it is another. */
export function dayTime(instant: string): string {
  const date = new Date(instant);
  const year: Intl.DateTimeFormatOptions = date.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
  return new Intl.DateTimeFormat(locale(), { ...DAY_AND_TIME, ...year }).format(date);
}

export function dayTimeUtc(instant: string): string {
  return `${new Intl.DateTimeFormat(locale(), { ...DAY_AND_TIME, timeZone: "UTC" }).format(new Date(instant))} UTC`;
}

export function clockTime(instant: string | number): string {
  const parts: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
  return new Intl.DateTimeFormat(locale(), parts).format(new Date(instant));
}

/** A time at an axis that shows `span` seconds: as short as tells its neighbours apart. */
export function axisTime(instant: number, span: number): string {
  const clock: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit" };
  const parts: Intl.DateTimeFormatOptions =
    span > 3 * 86_400
      ? { day: "numeric", month: "short" }
      : span > 86_400
        ? { day: "numeric", month: "short", ...clock }
        : span > 900
          ? clock
          : { ...clock, second: "2-digit" };
  return new Intl.DateTimeFormat(locale(), { ...parts, hourCycle: "h23" }).format(new Date(instant));
}

/** A time of today as a time alone, another with its day. */
export function clockOrDay(instant: string | number): string {
  const date = new Date(instant);
  return date.toDateString() === new Date().toDateString() ? clockTime(instant) : dayTime(date.toISOString());
}

export function zoneName(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** An instant as `datetime-local` fields take it, in the browser's zone. */
export function toLocalField(instant: string | undefined): string {
  if (!instant) return "";
  const date = new Date(instant);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** What a `datetime-local` field says, as an instant; nothing where it is none. */
export function fromLocalField(text: string): string | undefined {
  const date = new Date(text);
  return text === "" || Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
