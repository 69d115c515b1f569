/** Amounts as people read and write them. Decimals come from the server's table, never from the locale's data. */
import type { Money } from './contract.js';
import { DECIMALS } from './currencies.js';

/** Decimals of a currency's major unit: 2 for USD, 0 for JPY, 3 for KWD. The server's table, as of its release. */
export function currencyDecimals(currency: string): number {
  return DECIMALS[currency] ?? 2;
}

/** The amount as a decimal: `129.00`. Made digit by digit: a quotient would be another amount when it is large. */
export function decimalAmount({ amount, currency }: { amount: number; currency: string }): `${number}` {
  const digits = currencyDecimals(currency);
  const all = String(Math.abs(amount)).padStart(digits + 1, '0');
  const whole = `${amount < 0 ? '-' : ''}${all.slice(0, all.length - digits)}`;
  return (digits > 0 ? `${whole}.${all.slice(-digits)}` : whole) as `${number}`;
}

/** The amount with its currency, as people of `locale` write it. */
export function formatMoney(money: Pick<Money, 'amount'> & { currency: string }, locale?: string): string {
  const digits = currencyDecimals(money.currency);
  const format = new Intl.NumberFormat(locale, {
    style: 'currency',
    currency: money.currency,
    // Both are said: where one is left out, the locale's idea of the currency decides.
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return format.format(decimalAmount(money));
}

/**
 * What was typed as an amount, in minor units; nothing where it is none, or not clear.
 *
 * Comma and point both part the decimals, and spaces are passed over. `25,000` in a currency with three decimals could be
 * either in a language that groups digits by commas: it is refused there.
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
