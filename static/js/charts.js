// The graphs: records, bytes, lag and latency over time, drawn by uPlot in the
// place of the pictures that came with the page. State events stand in them as
// ticks, so that the cause is beside the effect. A span in which nobody looked
// is a gap, not a zero.

import { live } from './live.js';
import { readTheme, onThemeChange, fade } from './theme.js';
import { bytes, micros, short } from './numbers.js';

const KEEP = 600; // rows of each history
const EVERY = 250; // ms between two drawings
const TICKS = /^(broker|controller|leader|isr|topic|group\.state|log\.truncated)/;

/** The graphs: what each shows of a row, by the columns' names. */
const GRAPHS = {
  records: { format: (v) => `${short(v)}/s`, lines: [['in', 'produce', perSecond('in'), 'fill'], ['out', 'fetch', perSecond('out')]] },
  bytes: { format: (v) => `${bytes(v)}/s`, top: binaryTop, incrs: binarySteps(), lines: [['in', 'produce', perSecond('bytesIn'), 'fill'], ['out', 'fetch', perSecond('bytesOut')]] },
  lag: { format: short, lines: [['lag', 'warn', (r, f) => r[f.lag], 'fill']] },
  latency: {
    format: (v) => micros(v), log: true,
    lines: [['p50', 'ok', (r, f) => r[f.produce50]], ['p99', 'accent', (r, f) => r[f.produce99]], ['max', 'text3', (r, f) => r[f.produceMax], 'points']],
  },
};

function perSecond(name) {
  return (r, f) => (r[f[name]] === null || !r[f.span] ? null : (r[f[name]] * 1000) / r[f.span]);
}

/** Both histories, with the names of their columns. */
const history = { fields: {}, fine: [], second: [] };
const ticks = []; // {t, text}
let range = 'second';

function take(rows, list) {
  const newest = list.at(-1)?.[0] ?? 0;
  for (const r of rows) if (r[0] > newest) list.push(r);
  if (list.length > KEEP) list.splice(0, list.length - KEEP);
}

class Graph {
  constructor(el, uPlot) {
    this.el = el;
    this.uPlot = uPlot;
    this.spec = GRAPHS[el.dataset.chart];
    this.holder = document.createElement('div');
    this.holder.className = 'plot';
    el.querySelector('[data-chart-still]')?.replaceWith(this.holder);
    this.build();
    new ResizeObserver(() => this.fit()).observe(this.holder);
  }

  build() {
    this.plot?.destroy();
    const theme = readTheme();
    const axis = {
      stroke: theme.text3, font: `11px ${theme.font}`, grid: { stroke: fade(theme.line, 1), width: 1 }, ticks: { show: false },
    };
    const { spec } = this;
    this.plot = new this.uPlot({
      width: Math.max(120, this.holder.clientWidth), height: 168,
      legend: { show: false }, cursor: { sync: { key: 'overview' }, y: false, points: { size: 6 }, drag: { x: false, y: false } },
      padding: [10, 8, 0, 0],
      scales: { x: { time: true, range: () => this.window() }, y: spec.log ? { distr: 3, range: logRange } : { range: (u, lo, hi) => [0, (spec.top ?? niceTop)(hi)] } },
      axes: [
        { ...axis, size: 26, space: 80, grid: { show: false }, values: (u, at) => at.map(ago) },
        {
          ...axis, size: 62, space: 34, incrs: spec.incrs, values: (u, at) => at.map((v) => spec.format(v)),
          ...(spec.log ? { splits: (u) => decades(u.scales.y.min, u.scales.y.max), filter: (u, at) => at } : {}),
        },
      ],
      series: [{}, ...spec.lines.map(([label, colour, , kind]) => ({
        label, stroke: theme[colour], width: kind === 'points' ? 0 : 1.6, spanGaps: false,
        fill: kind === 'fill' ? fade(theme[colour], 0.12) : undefined,
        points: kind === 'points' ? { show: true, size: 3, fill: theme[colour] } : { show: false },
        paths: kind === 'points' ? () => null : this.uPlot.paths.linear(),
      }))],
      hooks: { draw: [(u) => drawTicks(u, theme)], setCursor: [(u) => this.readOut(u)] },
    }, this.data(), this.holder);
  }

  /** The span of time that is shown, in seconds. */
  window() {
    const end = (history[range].at(-1)?.[0] ?? Date.now()) / 1000;
    return [end - (range === 'fine' ? 60 : 600), end];
  }

  data() {
    const rows = history[range];
    const f = history.fields;
    return [rows.map((r) => r[0] / 1000), ...this.spec.lines.map(([, , value]) => rows.map((r) => {
      const v = value(r, f);
      return v === undefined || (this.spec.log && v === 0) ? null : v;
    }))];
  }

  fit() {
    const width = this.holder.clientWidth;
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: 168 });
  }

  draw() {
    this.plot.setData(this.data());
    this.readOut(this.plot);
  }

  /** The numbers under the pointer, or the newest ones. */
  readOut(u) {
    const i = u.cursor.idx ?? u.data[0].length - 1;
    this.spec.lines.forEach(([label], k) => {
      const el = this.el.querySelector(`[data-series="${label}"]`);
      const v = u.data[k + 1][i];
      const text = v === null || v === undefined ? '–' : this.spec.format(v);
      if (el && el.textContent !== text) el.textContent = text;
    });
  }
}

/** 1, 10, 100 … from lo to hi. */
function decades(lo, hi) {
  const out = [];
  for (let e = Math.round(Math.log10(lo)); e <= Math.round(Math.log10(hi)); e++) out.push(10 ** e);
  return out;
}

const logRange = (u, lo, hi) => [10 ** Math.floor(Math.log10(Math.max(10, lo ?? 100))), 10 ** Math.ceil(Math.log10(Math.max(1000, (hi ?? 1000) * 1.01)))];

function niceTop(hi) {
  if (!(hi > 0)) return 10;
  const base = 10 ** Math.floor(Math.log10(hi));
  return [1, 1.5, 2, 3, 5, 7.5, 10, 15].map((s) => s * base).find((s) => s >= hi * 1.06) ?? hi * 1.1;
}

function binaryTop(hi) {
  return binarySteps().find((s) => s >= hi * 1.06 && s >= 16) ?? hi * 1.1;
}

/** Steps that are round in units of 1,024. */
function binarySteps() {
  const out = [];
  for (let unit = 1; unit < 2 ** 50; unit *= 1024) for (let k = 1; k < 1024; k *= 2) out.push(unit * k, unit * k * 1.5);
  return out.filter((s) => s >= 1).sort((a, b) => a - b);
}

/** The axis of time: the clock, to the second. */
function ago(t) {
  const d = new Date(t * 1000);
  const two = (n) => String(n).padStart(2, '0');
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** State events, as thin lines with a mark on top. */
function drawTicks(u, theme) {
  const { ctx, bbox } = u;
  const dpr = devicePixelRatio || 1;
  const [from, to] = [u.scales.x.min * 1000, u.scales.x.max * 1000];
  ctx.save();
  ctx.strokeStyle = fade(theme.text3, 0.55);
  ctx.fillStyle = theme.text3;
  ctx.lineWidth = dpr;
  ctx.setLineDash([2 * dpr, 3 * dpr]);
  for (const t of ticks) {
    if (t.t < from || t.t > to) continue;
    const x = Math.round(u.valToPos(t.t / 1000, 'x', true));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.beginPath();
    ctx.moveTo(x - 4 * dpr, bbox.top);
    ctx.lineTo(x + 4 * dpr, bbox.top);
    ctx.lineTo(x, bbox.top + 5 * dpr);
    ctx.fill();
  }
  ctx.restore();
}

/** uPlot is a classic script: it is loaded from beside this module. */
function loadPlotter() {
  return new Promise((resolve, reject) => {
    const s = document.createElement('script');
    s.src = new URL('../vendor/uplot/uPlot.iife.min.js', import.meta.url).href;
    s.onload = () => resolve(window.uPlot);
    s.onerror = () => reject(new Error('uPlot did not load'));
    document.head.append(s);
  });
}

async function fetchHistory() {
  const answer = await fetch('/live/history', { headers: { Accept: 'application/json' } });
  if (!answer.ok) throw new Error(`history: ${answer.status}`);
  const h = await answer.json();
  history.fields = Object.fromEntries(h.fields.map((name, i) => [name, i]));
  for (const list of ['fine', 'second']) {
    const newer = history[list].filter((r) => r[0] > (h[list].at(-1)?.[0] ?? 0));
    history[list] = [...h[list], ...newer].slice(-KEEP);
  }
}

async function start() {
  const elements = document.querySelectorAll('[data-chart]');
  if (!elements.length) return;
  live.on('frame', (f) => {
    take(f.fine, history.fine);
    take(f.second, history.second);
    fresh = true;
  });
  live.on('state', (e) => {
    if (!TICKS.test(e.kind)) return;
    ticks.push({ t: e.t, text: e.text });
    if (ticks.length > 200) ticks.shift();
  });
  let fresh = true;
  const [uPlot] = await Promise.all([loadPlotter(), fetchHistory()]);
  const graphs = [...elements].map((el) => new Graph(el, uPlot));
  let fetched = performance.now();
  live.on('hello', () => {
    if (performance.now() - fetched < 5000) return;
    fetched = performance.now(); // the tab was away: fill what it missed
    fetchHistory().then(() => { fresh = true; }, () => { /* the next hello tries again */ });
  });
  onThemeChange(() => graphs.forEach((g) => g.build()));
  for (const b of document.querySelectorAll('[data-range]')) {
    b.addEventListener('click', () => {
      range = b.dataset.range;
      for (const o of document.querySelectorAll('[data-range]')) o.setAttribute('aria-pressed', String(o === b));
      graphs.forEach((g) => g.draw());
    });
  }
  setInterval(() => {
    if (!fresh || live.paused || document.visibilityState === 'hidden') return;
    fresh = false;
    graphs.forEach((g) => g.draw());
  }, EVERY);
}

start().catch((e) => console.warn('the graphs stay as they came with the page:', e.message));
