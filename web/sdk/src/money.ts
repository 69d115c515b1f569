/** Formats and parses amounts. Decimals come from the server's table, never from the locale's data. */
import type { Money } from './contract.js';
import { DECIMALS } from './currencies.js';

/**
 * Returns the number of decimals of a currency: 2 for USD, 0 for JPY, 3 for KWD. From the server's table, as of this
 * release.
 */
export function currencyDecimals(currency: string): number {
  return DECIMALS[currency] ?? 2;
}

/**
 * Returns the amount as a decimal: `129.00`. It is built from digits, because a division would be inexact for large
 * amounts.
 */
export function decimalAmount({ amount, currency }: { amount: number; currency: string }): `${number}` {
  const digits = currencyDecimals(currency);
  const all = String(Math.abs(amount)).padStart(digits + 1, '0');
  const whole = `${amount < 0 ? '-' : ''}${all.slice(0, all.length - digits)}`;
  return (digits > 0 ? `${whole}.${all.slice(-digits)}` : whole) as `${number}`;
}

/** Formats the amount with its currency for `locale`. */
export function formatMoney(money: Pick<Money, 'amount'> & { currency: string }, locale?: string): string {
  const digits = currencyDecimals(money.currency);
  const format = new Intl.NumberFormat(locale, {
    style: 'currency',
    currency: money.currency,
    // Both are set: if one is missing, the locale's decimals of the currency apply.
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return format.format(decimalAmount(money));
}

/**
 * Parses an amount as typed, and returns minor units; `undefined` if it is not an amount, or ambiguous.
 *
 * Comma and point both separate the decimals, and spaces are ignored. In a currency with three decimals, `25,000` is
 * ambiguous in a language that groups digits by commas; it is refused there.
 */
export function parseAmount(text: string, currency: string, locale?: string): number | undefined {
  const digits = currencyDecimals(currency);
  const found = /^(\d{1,16})(?:([.,])(\d*))?$/.exec(text.replace(/[\s\u00a0\u202f]/g, ''));
  if (!found) return undefined;
  const [, whole = '', separator, part = ''] = found;
  if (part.length > digits) return undefined;
  if (part.length === 3 && separator === groupSeparator(locale)) return undefined;
  const amount = Number(`${whole}${part.padEnd(digits, '0')}`);
  return Number.isSafeInteger(amount) ? amount : undefined;
}

function groupSeparator(locale?: string): string | undefined {
  const parts = new Intl.NumberFormat(locale, { useGrouping: true }).formatToParts(1_234_567);
  return parts.find(({ type }) => type === 'group')?.value;
}
