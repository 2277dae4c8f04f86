// Partitions drawn as whole logs: the newest offsets of each on one common
// scale, sliding left as records are appended.

import { count } from './numbers.js';
import { fade } from './theme.js';
import { paintTicks } from './followers.js';

const TAIL = 10; // pixels kept free for records that are not committed yet

/** Follower makes offsets glide to where they are instead of jumping. */
export class Glide {
  constructor() {
    this.at = new Map();
  }

  /** The shown value for id on its way to target; dt in ms, 0 jumps. */
  step(id, target, dt) {
    const old = this.at.get(id);
    if (old === undefined || dt === 0 || Math.abs(target - old) < 0.01) {
      this.at.set(id, target);
      return target;
    }
    const next = old + (target - old) * (1 - Math.exp(-dt / 110));
    this.at.set(id, next);
    return next;
  }

  forget(alive) {
    for (const id of this.at.keys()) if (!alive(id)) this.at.delete(id);
  }
}

/** Where an offset stands on a row's lane. */
export function placeOf(row, hw, span, offset) {
  const px = (row.lane.w - TAIL) / span;
  return row.lane.x + row.lane.w - TAIL - (hw - offset) * px;
}

/** Where records land on a row. */
export const landing = (row) => row.lane.x + row.lane.w - TAIL;

/**
 * Paints the lanes. Returns whether something still moves.
 * @param {import('./paint.js').View} v
 * @param {Glide} glide
 * @param {number} dt ms since the last time
 */
export function paintLanes(v, glide, dt) {
  let moving = false;
  const cursors = cursorsOf(v);
  for (const row of v.lay.rows.values()) {
    const p = row.part;
    const hw = glide.step(p.id, p.hw, dt);
    moving ||= hw !== p.hw;
    paintLane(v, row, p, hw, cursors.get(p.id) ?? []);
  }
  return moving;
}

function cursorsOf(v) {
  const numbers = new Map();
  for (const n of v.scene.consumers) if (n.group) numbers.set(n.group.id, n);
  const out = new Map();
  for (const l of v.model.lags.values()) {
    const n = numbers.get(l.g);
    if (!n || l.committed < 0) continue;
    if (!out.has(l.p)) out.set(l.p, []);
    out.get(l.p).push({ committed: l.committed, lag: l.lag, number: n.number, colour: v.theme.groups[(n.number - 1) % v.theme.groups.length] });
  }
  return out;
}

function paintLane(v, row, p, hw, cursors) {
  const { ctx, theme, span } = v;
  const { lane } = row;
  const weak = v.focus !== null && !v.focus.has(`t${p.id}`) && !v.focus.has(`b${row.card.id}`);
  ctx.globalAlpha = weak ? 0.3 : 1;
  const px = (lane.w - TAIL) / span;
  const right = lane.x + lane.w - TAIL;
  const from = Math.max(lane.x, right - (hw - p.start) * px);
  const colour = p.leader < 0 || !row.card.broker.up || row.card.broker.fenced ? theme.lineStrong : theme.brokers[row.card.colour];
  ctx.save();
  ctx.beginPath();
  ctx.roundRect(lane.x, lane.y, lane.w, lane.h, 3);
  ctx.clip();
  ctx.fillStyle = theme.surface2;
  ctx.fillRect(lane.x, lane.y, lane.w, lane.h);
  ctx.fillStyle = fade(colour, 0.38);
  ctx.fillRect(from, lane.y, right - from, lane.h);
  paintRuler(v, lane, hw, px, from, p);
  for (const base of p.bases) paintBase(v, lane, right - (hw - base) * px, from);
  paintLag(v, lane, hw, px, right, cursors);
  if (p.end > p.hw) {
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1;
    ctx.setLineDash([2, 2]);
    ctx.strokeRect(right + 0.5, lane.y + 1.5, Math.min(TAIL - 2, Math.max(3, (p.end - p.hw) * px)), lane.h - 3);
    ctx.setLineDash([]);
  }
  ctx.restore();
  if (from > lane.x + 1 && p.hw > p.start) { // the log begins inside the window
    ctx.fillStyle = theme.text2;
    ctx.fillRect(Math.round(from), lane.y - 1, 1.5, lane.h + 2);
  }
  ctx.fillStyle = theme.text;
  ctx.fillRect(right - 1, lane.y - 2, 2, lane.h + 4);
  paintTicks(v, row, right, px, hw);
  for (const c of cursors) paintCursor(v, lane, right - (hw - c.committed) * px, c);
  ctx.globalAlpha = 1;
}

/** Records as boxes while there is room for it, else a ruler of offsets. */
function paintRuler(v, lane, hw, px, from, p) {
  const { ctx, theme } = v;
  const right = lane.x + lane.w - TAIL;
  if (px >= 4) {
    ctx.fillStyle = theme.surface;
    const first = Math.max(p.start, Math.floor(hw - (right - lane.x) / px));
    for (let o = first; o <= hw; o++) {
      const x = right - (hw - o) * px;
      if (x > from) ctx.fillRect(x - 0.5, lane.y, 1, lane.h);
    }
  }
  const step = niceStep(Math.max(44, 16 + 6 * count(p.hw).length) / px);
  ctx.font = `500 9px ${theme.mono}`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  for (let o = Math.floor(hw / step) * step; o >= Math.max(p.start, 0); o -= step) {
    const x = right - (hw - o) * px;
    if (x < lane.x - 40) break;
    if (x < from - 1) continue;
    ctx.fillStyle = fade(theme.text, px >= 4 ? 0.34 : 0.22);
    ctx.fillRect(Math.round(x), lane.y, 1, lane.h);
    ctx.fillStyle = fade(theme.text, 0.6);
    const label = count(o);
    if (x + 6 + label.length * 5.5 < right) ctx.fillText(label, x + 3, lane.y + lane.h / 2 + 0.5);
  }
}

function niceStep(x) {
  const base = 10 ** Math.floor(Math.log10(Math.max(1, x)));
  return [1, 2, 5, 10].map((s) => s * base).find((s) => s >= x) ?? base * 10;
}

/** The first offset of a segment. */
function paintBase(v, lane, x, from) {
  if (x <= from || x < lane.x) return;
  const { ctx, theme } = v;
  ctx.fillStyle = theme.surface;
  ctx.fillRect(Math.round(x) - 2, lane.y, 4, lane.h);
  ctx.fillStyle = theme.text2;
  ctx.fillRect(Math.round(x), lane.y, 1, lane.h);
}

/** What a group has not committed yet, shaded up to the high watermark. */
function paintLag(v, lane, hw, px, right, cursors) {
  const { ctx } = v;
  cursors.slice(0, 3).forEach((c, i) => {
    const x = Math.max(lane.x, right - Math.max(0, hw - c.committed) * px);
    if (right - x < 0.5) return;
    ctx.fillStyle = fade(c.colour, 0.28);
    ctx.fillRect(x, lane.y, right - x, lane.h);
    ctx.fillStyle = c.colour;
    ctx.fillRect(x, lane.y + lane.h - 2 - i * 3, right - x, 2);
  });
}

function paintCursor(v, lane, x, c) {
  const { ctx, theme } = v;
  const off = x < lane.x;
  const at = Math.max(lane.x + 1, Math.min(x, lane.x + lane.w - TAIL));
  ctx.fillStyle = c.colour;
  if (!off) ctx.fillRect(at - 0.75, lane.y - 3, 1.5, lane.h + 5);
  ctx.beginPath();
  ctx.arc(at, lane.y - 2.5, 5.5, 0, 7);
  ctx.fill();
  ctx.fillStyle = theme.surface;
  ctx.font = `700 8px ${theme.font}`;
  ctx.textAlign = 'center';
  ctx.textBaseline = 'middle';
  ctx.fillText(String(c.number), at, lane.y - 2);
  if (off) {
    ctx.font = `600 9px ${theme.font}`;
    ctx.textAlign = 'left';
    ctx.fillStyle = theme.text;
    ctx.fillText(`‹ ${count(c.lag)} behind`, at + 9, lane.y + lane.h / 2);
  }
}
