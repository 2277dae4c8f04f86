// Followers: the copies of partitions on brokers that do not lead them, and the
// ways of records from leaders to them. The leader is filled, a follower in sync
// outlined, one out of sync dashed, one offline crossed.

import { resample, rounded } from './paths.js';
import { fade } from './theme.js';

const CHIP = [21, 15]; // beside whole logs: with the partition's number
const GAP = 4;

/** Beyond so many followers on a broker only those that are not in sync are drawn. */
export const MOST = 1200;

const exceptional = (rep) => !rep.sync || rep.offline;

/**
 * Places the followers of a broker below what it leads.
 * @returns {number} the lower edge
 */
export function placeFollowers(out, card, y, { topicName, measure, led }) {
  if (!card.follows.length) return y;
  y += led ? 5 : -2;
  if (out.level === 'logs') return placeChips(out, card, y, topicName, measure);
  const bad = card.follows.filter((f) => exceptional(f.rep));
  const shown = card.follows.length > MOST ? bad.slice(0, MOST) : card.follows;
  const size = out.level === 'strips' ? 10 : 6;
  const n = (k) => k.toLocaleString('en');
  const offline = card.follows.length && card.follows.every((f) => f.rep.offline);
  const words = offline ? `${n(card.follows.length)} offline` : `follows ${n(card.follows.length)}${bad.length ? `, ${n(bad.length)} not in sync` : ''}`;
  const left = card.x + 12 + Math.ceil(measure(words) * 0.95) + 10;
  card.band = { text: words, x: card.x + 12, y: Math.round(y), h: 12, bad: bad.length > 0 };
  const per = Math.max(1, Math.floor((card.x + card.w - 10 - left) / (size + 2)));
  shown.forEach((f, i) => out.followers.set(f.rep.id, {
    ...f, card, small: true, x: left + (i % per) * (size + 2), y: Math.round(y + Math.floor(i / per) * (size + 2)), w: size, h: size,
  }));
  return y + Math.max(13, Math.ceil(shown.length / per) * (size + 2));
}

/** Chips with numbers, the topics' names before them. */
function placeChips(out, card, y, topicName, measure) {
  const left = card.x + 12;
  const right = card.x + card.w - 10;
  const [w, h] = CHIP;
  let x = left;
  let topic = null;
  for (const f of card.follows) {
    const name = topicName(f.part);
    if (name !== topic) {
      topic = name;
      const label = Math.min(measure(name) * 0.93, (right - left) * 0.5);
      if (x > left) x += 9;
      if (x + label + 6 + w > right && x > left) {
        x = left;
        y += h + GAP + 2;
      }
      card.labels.push({ x: Math.round(x), y: Math.round(y), w: label + 2, h, text: name, faint: true });
      x += label + 6;
    } else if (x + w > right) {
      x = left;
      y += h + GAP + 2;
    }
    out.followers.set(f.rep.id, { ...f, card, x: Math.round(x), y: Math.round(y), w, h });
    x += w + GAP;
  }
  return y + h + 2;
}

/**
 * Who sends to whom: from each replica that leads to each of its followers.
 * Beside whole logs each has a way of its own, else those between the same two
 * brokers share one.
 */
export function replications(lay) {
  const cards = new Map(lay.brokers.map((b, i) => [b.id, { card: b, place: i }]));
  const out = new Map(); // key -> {from, to, path, reps}
  for (const { card: to } of cards.values()) {
    for (const f of to.follows) {
      const from = cards.get(f.part.leader)?.card;
      if (!from || from === to) continue;
      const chip = lay.followers.get(f.rep.id);
      const row = lay.rows.get(f.part.id);
      const own = lay.level === 'logs' && chip && row;
      const key = own ? `r${f.rep.id}` : `${from.id}>${to.id}`;
      let way = out.get(key);
      if (!way) {
        way = { key, from, to, row: own ? row : null, chip: own ? chip : null, reps: [], end: `b${to.id}`, start: `b${from.id}`, path: null };
        way.path = wayOf(lay, way, Math.abs(cards.get(from.id).place - cards.get(to.id).place), cards.size);
        out.set(key, way);
      }
      way.reps.push(f.rep);
    }
  }
  return out;
}

/** Out of the leader's card, along the gutter beside the brokers, to the follower. */
function wayOf(lay, way, apart, brokers) {
  const { from, to, row, chip } = way;
  const right = from.x + from.w;
  const down = to.y > from.y;
  const lane = right + 4 + (lay.gutter - 8) * ((apart - (down ? 0.75 : 0.25)) / Math.max(1, brokers - 1));
  const y0 = row ? row.rail : from.y + from.head / 2 + (down ? 5 : -5);
  const y1 = chip ? chip.y + chip.h + 2.5 : to.band ? to.band.y + 6 : to.y + to.head / 2;
  const points = [];
  if (row) points.push([row.lane.x + row.lane.w - 10, y0]);
  points.push([right, y0], [lane, y0], [lane, y1], [right, y1]);
  if (chip) points.push([chip.x + chip.w / 2, y1], [chip.x + chip.w / 2, chip.y + chip.h / 2]);
  else points.push([right - 10, y1]);
  return resample(rounded(points, 6));
}

/** Whether a way is pushed back because something else has the focus. */
export const dimWay = (focus, way) => focus !== null && !focus.has(way.start) && !focus.has(way.end)
  && !way.reps.some((r) => focus.has(`t${r.part.id}`));

/** The ways themselves, thin: what flows over them are the dots. */
export function paintWays(v) {
  const { ctx, theme } = v;
  const from = v.lay.level === 'logs' ? 2 : 0;
  for (const way of v.ways.values()) {
    let rate = 0;
    for (const r of way.reps) rate += r.rate.at(v.now);
    const weak = dimWay(v.focus, way);
    const strong = v.focus !== null && !weak && way.chip;
    ctx.strokeStyle = fade(theme.replicate, weak ? 0.06 : strong ? 0.8 : rate > 0 ? 0.34 : 0.16);
    ctx.lineWidth = way.chip ? 1 : 1 + Math.min(2.5, Math.log10(1 + rate) * 0.5);
    ctx.beginPath();
    ctx.moveTo(way.path[from], way.path[from + 1]);
    for (let i = from + 2; i < way.path.length; i += 2) ctx.lineTo(way.path[i], way.path[i + 1]);
    ctx.stroke();
  }
}

/** The followers of all brokers. @param {import('./paint.js').View} v */
export function paintFollowers(v) {
  const { ctx, theme } = v;
  for (const f of v.lay.followers.values()) {
    const weak = v.focus !== null && !v.focus.has(`t${f.part.id}`) && !v.focus.has(`b${f.card.id}`);
    ctx.globalAlpha = weak ? 0.3 : 1;
    if (f.small) paintSquare(v, f);
    else paintChip(v, f);
  }
  ctx.globalAlpha = 1;
  ctx.setLineDash([]);
}

function outline(v, f, r, colour, width, dash) {
  const { ctx } = v;
  const o = width / 2;
  ctx.beginPath();
  ctx.roundRect(f.x + o, f.y + o, f.w - width, f.h - width, r);
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.setLineDash(dash);
  ctx.stroke();
  ctx.setLineDash([]);
}

function paintChip(v, f) {
  const { ctx, theme } = v;
  const colour = theme.brokers[f.card.colour];
  const { rep, part } = f;
  ctx.beginPath();
  ctx.roundRect(f.x, f.y, f.w, f.h, 4);
  ctx.fillStyle = theme.surface;
  ctx.fill();
  if (!rep.sync && !rep.offline && part.end > part.start) { // how much it has of what its leader has
    const share = Math.max(0, Math.min(1, (rep.end - part.start) / (part.end - part.start)));
    ctx.save();
    ctx.clip();
    ctx.fillStyle = fade(colour, 0.3);
    ctx.fillRect(f.x, f.y, f.w * share, f.h);
    ctx.restore();
  }
  if (rep.offline) outline(v, f, 4, theme.text3, 1, []);
  else if (rep.sync) outline(v, f, 4, colour, 2, []);
  else outline(v, f, 4, theme.bad, 1.5, [3, 2]);
  ctx.font = `600 9.5px ${theme.font}`;
  ctx.textAlign = 'center';
  ctx.textBaseline = 'middle';
  ctx.fillStyle = rep.offline ? theme.text3 : theme.text;
  ctx.fillText(String(part.p), f.x + f.w / 2, f.y + f.h / 2 + 0.5);
  if (rep.offline) crossOut(v, f, fade(theme.bad, 0.75));
}

function paintSquare(v, f) {
  const { ctx, theme } = v;
  const colour = theme.brokers[f.card.colour];
  if (f.rep.offline) {
    crossOut(v, f, theme.bad);
    return;
  }
  if (!f.rep.sync) {
    outline(v, f, 1, theme.bad, 1, [2, 1.5]);
    return;
  }
  ctx.fillStyle = fade(colour, 0.22);
  ctx.fillRect(f.x, f.y, f.w, f.h);
  outline(v, f, 1, colour, 1, []);
}

function crossOut(v, f, colour) {
  const { ctx } = v;
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.2;
  ctx.beginPath();
  ctx.moveTo(f.x + 1, f.y + 1);
  ctx.lineTo(f.x + f.w - 1, f.y + f.h - 1);
  ctx.moveTo(f.x + f.w - 1, f.y + 1);
  ctx.lineTo(f.x + 1, f.y + f.h - 1);
  ctx.stroke();
}

/** Where each follower stands in its leader's log: a tick below the lane. */
export function paintTicks(v, row, right, px, hw) {
  const { ctx, theme, scene } = v;
  const { lane, part } = row;
  for (const rep of part.replicas) {
    if (rep.b === part.leader || rep.offline) continue;
    const home = scene.byId.get(rep.b);
    if (!home) continue;
    const x = Math.max(lane.x, Math.min(right + 8, right - (hw - rep.end) * px));
    ctx.fillStyle = theme.brokers[home.colour];
    ctx.beginPath();
    ctx.moveTo(x, lane.y + lane.h - 1);
    ctx.lineTo(x + 3, lane.y + lane.h + 4);
    ctx.lineTo(x - 3, lane.y + lane.h + 4);
    ctx.fill();
  }
}

/** A hollow triangle where replicas are out of sync: at every level of detail. */
export function paintShort(v, x, y) {
  const { ctx, theme } = v;
  ctx.beginPath();
  ctx.moveTo(x, y - 4);
  ctx.lineTo(x + 4.5, y + 4);
  ctx.lineTo(x - 4.5, y + 4);
  ctx.closePath();
  ctx.strokeStyle = theme.warn;
  ctx.lineWidth = 1.4;
  ctx.stroke();
}

/** How many replicas of a partition are in sync. */
export const inSync = (part) => part.replicas.reduce((n, r) => n + (r.sync && !r.offline ? 1 : 0), 0);
