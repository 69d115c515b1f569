// Amounts in every currency of the API, in locales whose data has other decimals for it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CURRENCIES } from './currencies.js';
import { currencyDecimals, decimalAmount, formatMoney, parseAmount } from './money.js';

const LOCALES = ['en', 'en-US', 'en-GB', 'pl', 'pl-PL', 'de', 'hu', 'id', 'es-CO', 'fr'];
const NONE = 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF'.split(' ');
const THREE = 'BHD IQD JOD KWD LYD OMR TND'.split(' ');

test('decimals are those of ISO 4217, whatever a locale says of the currency', () => {
  assert.ok(CURRENCIES.length > 150);
  for (const currency of CURRENCIES) {
    const decimals = NONE.includes(currency) ? 0 : THREE.includes(currency) ? 3 : 2;
    assert.equal(currencyDecimals(currency), decimals, currency);
  }
});

test('an amount is shown with the decimals of its currency in every language', () => {
  for (const currency of CURRENCIES) {
    const decimals = currencyDecimals(currency);
    for (const locale of LOCALES) {
      const shown = formatMoney({ amount: 1_234_567, currency }, locale);
      const digits = shown.replace(/\D/g, '');
      assert.equal(digits, '1234567', `${currency} in ${locale}: ${shown}`);
      const part = /[.,](\d+)\D*$/.exec(shown.replace(currency, ''))?.[1] ?? '';
      if (decimals !== 3) assert.equal(part.length === 3 ? 0 : part.length, decimals, `${currency} in ${locale}: ${shown}`);
      else assert.equal(part.length, 3, `${currency} in ${locale}: ${shown}`);
    }
  }
});

test('typed amounts are displayed unchanged: 2499 of every currency', () => {
  for (const currency of CURRENCIES) {
    const amount = parseAmount('2499', currency, 'en');
    assert.equal(amount, 2499 * 10 ** currencyDecimals(currency), currency);
    assert.equal(parseAmount(decimalAmount({ amount: 2499, currency }), currency, 'en'), 2499, currency);
  }
  const decimal = (amount: number, currency: string) => decimalAmount({ amount, currency });
  assert.equal(decimal(249_900, 'HUF'), '2499.00');
  assert.deepEqual([decimal(5, 'KWD'), decimal(-5, 'USD'), decimal(0, 'JPY')], ['0.005', '-0.05', '0']);
  assert.equal(decimal(Number.MAX_SAFE_INTEGER, 'USD'), '90071992547409.91');
});

test('an ambiguous amount is rejected', () => {
  assert.equal(parseAmount('25,000', 'IQD', 'en'), undefined);
  assert.equal(parseAmount('25.000', 'IQD', 'en'), 25_000);
  assert.equal(parseAmount('25,000', 'IQD', 'pl'), 25_000);
  assert.equal(parseAmount('25.000', 'IQD', 'de'), undefined);
  assert.equal(parseAmount('1 299,50', 'PLN', 'pl'), 129_950);
  assert.equal(parseAmount('1,299', 'USD', 'en'), undefined);
  for (const text of ['', '-1', '1.2.3', 'ten', '1e3', '12.345', '99999999999999999999'])
    assert.equal(parseAmount(text, 'USD', 'en'), undefined, text);
});
