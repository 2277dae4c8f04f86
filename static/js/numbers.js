// Numbers as people read them, the same as templates/ui/format.go writes. Pure.

const UNITS = ['', 'k', 'M', 'G', 'T'];

/** A whole number with thousands separators. */
export function count(n) {
  const s = Math.round(Math.abs(n)).toString().replace(/\B(?=(\d{3})+$)/g, ',');
  return n < 0 ? `−${s}` : s;
}

/** About three significant digits: 0, 0.42, 3.1, 12, 123, 1.23k, 45.6k, 1.2M. */
export function short(n) {
  if (!Number.isFinite(n)) return '–';
  const a = Math.abs(n);
  if (a < 0.005) return '0';
  if (a < 1) return n.toFixed(2).replace(/0$/, '');
  if (a < 10) return n.toFixed(1).replace(/\.0$/, '');
  if (a < 999.5) return Math.round(n).toString();
  let u = 0;
  let v = n;
  while (Math.abs(v) >= 999.5 && u < UNITS.length - 1) {
    v /= 1000;
    u++;
  }
  const digits = Math.abs(v) < 9.995 ? 2 : Math.abs(v) < 99.95 ? 1 : 0;
  return trim(v.toFixed(digits)) + UNITS[u];
}

const trim = (s) => (s.includes('.') ? s.replace(/\.?0+$/, '') : s);

/** Bytes in units of 1,024. */
export function bytes(n) {
  if (!Number.isFinite(n)) return '–';
  if (Math.abs(n) < 1024) return `${Math.round(n)} B`;
  let u = -1;
  let v = n;
  while (Math.abs(v) >= 1024 && u < 4) {
    v /= 1024;
    u++;
  }
  return `${v.toFixed(v < 100 ? 1 : 0).replace(/\.0$/, '')} ${'KMGTP'[u]}iB`;
}

/** A latency of so many µs. */
export function micros(us) {
  if (us === null || us === undefined || !Number.isFinite(us)) return '–';
  if (us < 1000) return `${Math.round(us)} µs`;
  const ms = us / 1000;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`;
}

/** The clock of the reader's own zone, to the second. */
export function clock(ms) {
  return new Date(ms).toLocaleTimeString([], { hour12: false });
}

/** The n-th broker's letter, from A. */
export function letter(i) {
  return String.fromCharCode(65 + (i % 8));
}

/** One part of an address, as templates/link writes it. */
export function segment(name) {
  if (name === '' || name === '.' || name === '..' || name.startsWith('~')) name = `~${name}`;
  return encodeURIComponent(name);
}
