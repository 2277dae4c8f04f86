import test from 'node:test';
import assert from 'node:assert/strict';
import { bytes, count, micros, segment, short } from './numbers.js';

test('numbers are written for people', () => {
  const rows = [
    [short, 0, '0'], [short, 0.004, '0'], [short, 0.42, '0.42'], [short, 0.5, '0.5'], [short, 3.14, '3.1'], [short, 4, '4'], [short, 12.4, '12'],
    [short, 999, '999'], [short, 1000, '1k'], [short, 1234, '1.23k'], [short, 45_600, '45.6k'], [short, 999_600, '1M'], [short, 1_200_000, '1.2M'], [short, NaN, '–'],
    [count, 0, '0'], [count, 1234567, '1,234,567'], [count, -1000, '−1,000'],
    [bytes, 0, '0 B'], [bytes, 1023, '1023 B'], [bytes, 1536, '1.5 KiB'], [bytes, 3 * 2 ** 30, '3 GiB'],
    [micros, 7, '7 µs'], [micros, 1500, '1.50 ms'], [micros, 12_340, '12.3 ms'], [micros, 512_000, '512 ms'], [micros, 2_500_000, '2.50 s'], [micros, null, '–'],
  ];
  for (const [fn, n, want] of rows) assert.equal(fn(n), want, `${fn.name}(${n})`);
});

test('names become one part of an address, as templates/link writes it', () => {
  for (const [name, want] of [['orders', 'orders'], ['a/b', 'a%2Fb'], ['', '~'], ['.', '~.'], ['..', '~..'], ['~x', '~~x'], ['a b', 'a%20b'], ['ä', '%C3%A4']]) {
    assert.equal(segment(name), want);
  }
});
