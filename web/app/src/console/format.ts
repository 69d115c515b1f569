/** Formats and parses amounts and times for vendors. */
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

/** Returns the text of an amount field: `129.00`. */
export function amountText(money: Money | undefined): string {
  return money ? decimalAmount(money) : "";
}

/** Parses a typed amount, and returns minor units; `undefined` if it is not an amount. */
export function parseAmount(text: string, currency: string): number | undefined {
  return parseTyped(text, currency, locale());
}

/** Parses a typed whole number with its sign; `undefined` if it is not a number. */
export function parseCount(text: string): number | undefined {
  const plain = text.trim().replace("\u2212", "-");
  return /^[+-]?\d{1,12}$/.test(plain) ? Number(plain) : undefined;
}

const DAY_AND_TIME: Intl.DateTimeFormatOptions = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };

/** Formats day and time in the browser's time zone, with the year if it is not the current one. */
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

/** Formats a time on an axis that shows `span` seconds: just long enough to distinguish neighbouring ticks. */
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

/** Formats a time of today as a time alone, other times with their day. */
export function clockOrDay(instant: string | number): string {
  const date = new Date(instant);
  return date.toDateString() === new Date().toDateString() ? clockTime(instant) : dayTime(date.toISOString());
}

export function zoneName(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Converts an instant to the value of a `datetime-local` field, in the browser's time zone. */
export function toLocalField(instant: string | undefined): string {
  if (!instant) return "";
  const date = new Date(instant);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** Converts the value of a `datetime-local` field to an instant; `undefined` if it is not valid. */
export function fromLocalField(text: string): string | undefined {
  const date = new Date(text);
  return text === "" || Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
