// Colours and faces of the canvases, read from the page's tokens, so that light
// and dark are decided in one place.

const NAMES = {
  bg: '--bg', surface: '--surface', surface2: '--surface-2', surface3: '--surface-3',
  line: '--line', lineStrong: '--line-strong', text: '--text', text2: '--text-2', text3: '--text-3',
  accent: '--accent', ok: '--ok', warn: '--warn', bad: '--bad', focus: '--focus',
  produce: '--flow-produce', fetch: '--flow-fetch', replicate: '--flow-replicate', font: '--font', mono: '--mono',
};

/** The tokens as they are now. */
export function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  const theme = Object.fromEntries(Object.entries(NAMES).map(([k, v]) => [k, get(v)]));
  theme.brokers = [...'abcdefgh'].map((l) => get(`--broker-${l}`));
  theme.brokerInk = [...'abcdefgh'].map((l) => inkOn(get(`--broker-${l}`)));
  theme.groups = [1, 2, 3, 4, 5, 6].map((i) => get(`--group-${i}`));
  theme.ramp = Array.from({ length: 10 }, (_, i) => get(`--ramp-${i}`));
  return theme;
}

/** Black or white, whichever reads better on a colour. */
function inkOn(hex) {
  const n = parseInt(hex.slice(1), 16);
  const light = 0.299 * (n >> 16) + 0.587 * ((n >> 8) & 255) + 0.114 * (n & 255);
  return light > 120 ? '#14181f' : '#ffffff';
}

/** Calls fn when the colours change, by the switch or by the system. */
export function onThemeChange(fn) {
  new MutationObserver(fn).observe(document.documentElement, { attributeFilter: ['data-theme'] });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', fn);
}

/** A hexadecimal colour with an opacity. */
export function fade(hex, alpha) {
  const n = parseInt(hex.slice(1), 16);
  return `rgb(${n >> 16} ${(n >> 8) & 255} ${n & 255} / ${alpha})`;
}

/** The share of a scale up to top that value takes: small ones are told apart too. */
export function shareOf(value, top) {
  return value > 0 ? Math.min(1, (value / Math.max(top, 1)) ** 0.4) : 0;
}

/** The colour of value on viridis. */
export function heat(theme, value, top) {
  if (value <= 0) return theme.surface3;
  return theme.ramp[Math.min(9, Math.floor(shareOf(value, top) * 9.999))];
}
