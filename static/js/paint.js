// What stands still on the map: links, brokers, partitions as strips and heat,
// clients and groups. Painted a few times a second.

import { bytes, count, short } from './numbers.js';
import { fade, heat, shareOf } from './theme.js';
import { pathOf } from './layout.js';
import { inSync, paintFollowers, paintShort, paintWays } from './followers.js';

const NODE = 46;

/** @typedef {{ctx: CanvasRenderingContext2D, lay: object, scene: object, model: object, theme: object, now: number,
 *   focus: Set<string>|null, span: number, n: number, reduced: boolean, internal: boolean}} View */

/** Paints everything that does not move between two frames. @param {View} v */
export function paintBase(v) {
  paintWays(v);
  paintLinks(v);
  for (const card of v.lay.brokers) paintBroker(v, card);
  for (const card of v.lay.brokers) paintLabels(v, card);
  if (v.lay.level === 'logs') for (const row of v.lay.rows.values()) paintRowLabels(v, row);
  else paintCells(v);
  paintFollowers(v);
  for (const n of v.lay.producers) paintNode(v, n, true);
  for (const n of v.lay.consumers) paintNode(v, n, false);
  if (!v.lay.producers.length) paintNobody(v, 'left', 'No producers yet');
  if (!v.lay.consumers.length) paintNobody(v, 'right', 'No consumers yet');
}

function font(v, size, weight = 400, mono = false) {
  v.ctx.font = `${weight} ${size}px ${mono ? v.theme.mono : v.theme.font}`;
}

function text(v, s, x, y, { colour = v.theme.text, size = 12, weight = 400, align = 'left', max = Infinity, mono = false } = {}) {
  const { ctx } = v;
  font(v, size, weight, mono);
  ctx.fillStyle = colour;
  ctx.textAlign = align;
  ctx.textBaseline = 'middle';
  ctx.fillText(max === Infinity ? s : clip(ctx, s, max), x, y);
}

/** s cut with an ellipsis so that it fits. */
export function clip(ctx, s, max) {
  if (ctx.measureText(s).width <= max) return s;
  let lo = 0;
  let hi = s.length;
  while (lo < hi) {
    const mid = (lo + hi + 1) >> 1;
    if (ctx.measureText(`${s.slice(0, mid)}…`).width <= max) lo = mid;
    else hi = mid - 1;
  }
  return lo ? `${s.slice(0, lo)}…` : '';
}

function box(v, x, y, w, h, r, fill, stroke, dash) {
  const { ctx } = v;
  ctx.beginPath();
  ctx.roundRect(x + 0.5, y + 0.5, w - 1, h - 1, r);
  if (fill) {
    ctx.fillStyle = fill;
    ctx.fill();
  }
  if (stroke) {
    ctx.strokeStyle = stroke;
    ctx.lineWidth = 1;
    ctx.setLineDash(dash ?? []);
    ctx.stroke();
    ctx.setLineDash([]);
  }
}

/** Whether something is pushed back because something else has the focus. */
const dim = (v, ...keys) => v.focus !== null && !keys.some((k) => v.focus.has(k));

/** Whether a bundle is pushed back: it is not between two things in focus. */
export const dimBundle = (focus, b) => focus !== null && !(focus.has(b.end) && b.node.keys.some((k) => focus.has(k)));

// Links.

/** The place where a link ends on the cluster's side. */
export function targetOf(lay, model, link) {
  if (link.p) {
    const part = lay.rows.get(link.p) ?? lay.cells.get(link.p);
    if (part) return lay.level === 'logs' ? part : part.card;
    return null;
  }
  return lay.brokers.find((b) => b.id === link.b) ?? null;
}

/** The node at the client's side of a link. */
export function nodeOf(lay, scene, link) {
  const key = scene.ends.get(link.id);
  if (!key) return null;
  return (link.d === 'p' ? lay.producers : lay.consumers).find((n) => n.keys.includes(key)) ?? null;
}

/** Links that have the same two ends are drawn as one. */
export function bundles(lay, scene, model) {
  const out = new Map();
  for (const link of model.links.values()) {
    const target = targetOf(lay, model, link);
    const node = nodeOf(lay, scene, link);
    if (!target || !node) continue;
    const end = target.part ? `t${target.part.id}` : `b${target.id}`;
    const key = `${link.d}${node.keys[0]}:${end}`;
    let bundle = out.get(key);
    if (!bundle) {
      bundle = { key, direction: link.d, node, target, end, links: [], path: null, pathX: 0 };
      out.set(key, bundle);
    }
    bundle.links.push(link);
  }
  return out;
}

/** The path of a bundle; kept until its end on the log has moved. */
export function bundlePath(lay, bundle, x) {
  if (!bundle.path || Math.abs(bundle.pathX - x) > 3) {
    bundle.path = pathOf(lay, bundle.direction, bundle.node, bundle.target, bundle.direction === 'p' ? { to: x } : { from: x });
    bundle.pathX = x;
  }
  return bundle.path;
}

function paintLinks(v) {
  const { ctx, theme } = v;
  ctx.lineCap = 'round';
  for (const b of v.bundles.values()) {
    let rate = 0;
    for (const l of b.links) rate += l.rate.at(v.now);
    const edge = b.direction === 'p' ? b.target.card?.x ?? b.target.x : (b.target.card?.x ?? b.target.x) + (b.target.card?.w ?? b.target.w);
    b.still ??= pathOf(v.lay, b.direction, b.node, b.target, b.direction === 'p' ? { to: edge } : { from: edge });
    b.rate = rate;
    const colour = linkColour(v, b);
    const weak = dimBundle(v.focus, b);
    ctx.strokeStyle = fade(rate > 0 ? colour : theme.lineStrong, weak ? 0.08 : rate > 0 ? 0.4 : 0.35);
    ctx.lineWidth = rate > 0 ? 1 + Math.min(3, Math.log10(1 + rate) * 0.6) : 1;
    ctx.beginPath();
    ctx.moveTo(b.still[0], b.still[1]);
    for (let i = 2; i < b.still.length; i += 2) ctx.lineTo(b.still[i], b.still[i + 1]);
    ctx.stroke();
    if (!weak && rate > 0 && (v.reduced || rate / v.n < 0.25)) trickle(v, b, rate, colour);
  }
}

/** A flow too thin for a dot now and then: a tick and its number, never a boost. */
function trickle(v, b, rate, colour) {
  const { ctx, theme } = v;
  const steps = b.still.length / 2 - 1;
  const i = 2 * Math.floor(steps * (b.direction === 'p' ? 0.8 : 0.2)); // near the partition, where the ways are apart
  const [x, y] = [b.still[i], b.still[i + 1]];
  ctx.fillStyle = colour;
  ctx.fillRect(Math.round(x) - 1, Math.round(y) - 5, 2, 10);
  const s = `${short(rate)}/s`;
  font(v, 10, 500);
  const w = ctx.measureText(s).width + 6;
  ctx.fillStyle = fade(theme.surface, 0.85);
  ctx.fillRect(x + 3, y - 14, w, 12);
  text(v, s, x + 6, y - 8, { size: 10, weight: 500, colour: theme.text2 });
}

/** Colour of a flow: by kind for producers, by group for consumers. */
export function linkColour(v, b) {
  if (b.direction === 'p') return v.theme.produce;
  return groupColour(v.theme, b.node.node) ?? v.theme.fetch;
}

export function groupColour(theme, node) {
  return node.group ? theme.groups[(node.number - 1) % theme.groups.length] : theme.fetch;
}

// Brokers.

/** How the state of a broker looks: words, their colour, the card's fill and edge. */
export function brokerLook(v, card) {
  const { theme } = v;
  const { broker } = card;
  switch (broker.state) {
    case 'stopped': return { words: 'stopped', ink: theme.text2, grey: true, edge: theme.lineStrong, dash: null };
    case 'killed': return { words: 'killed', ink: theme.bad, grey: true, edge: theme.bad, dash: [5, 4] };
    case 'failed': return { words: broker.cause ? `failed: ${broker.cause}` : 'failed', ink: theme.bad, grey: true, edge: theme.bad, dash: null };
    case 'paused': return { words: broker.fenced ? 'paused, fenced' : 'paused', ink: theme.warn, hatched: true, edge: theme.warn, dash: [5, 4] };
    default:
  }
  if (broker.fenced) return { words: 'fenced', ink: theme.warn, edge: theme.warn, dash: [5, 4] };
  if (broker.state === 'draining') return { words: 'hands over', ink: theme.warn, edge: theme.warn, dash: null };
  if (!broker.up) return { words: broker.state, ink: theme.text2, grey: true, edge: theme.lineStrong, dash: [5, 4] };
  return { words: brokerRates(v, card), ink: theme.text2, edge: theme.line, dash: null };
}

function paintBroker(v, card) {
  const { ctx, theme } = v;
  const look = brokerLook(v, card);
  const colour = theme.brokers[card.colour];
  const weak = dim(v, `b${card.id}`, ...card.parts.map((p) => `t${p.id}`), ...card.follows.map((f) => `t${f.part.id}`));
  ctx.globalAlpha = weak ? 0.45 : 1;
  box(v, card.x, card.y, card.w, card.h, 9, look.grey ? theme.surface3 : theme.surface, look.edge, look.dash);
  ctx.save();
  ctx.beginPath();
  ctx.roundRect(card.x, card.y, card.w, card.h, 9);
  ctx.clip();
  ctx.fillStyle = look.grey ? theme.lineStrong : colour;
  ctx.fillRect(card.x, card.y, 4, card.h);
  if (look.hatched) hatch(v, card.x + 4, card.y, card.w, card.h);
  ctx.restore();
  const y = card.y + card.head / 2;
  ctx.fillStyle = look.grey ? theme.lineStrong : colour;
  ctx.beginPath();
  ctx.roundRect(card.x + 14, y - 9, 18, 18, 5);
  ctx.fill();
  text(v, card.letter, card.x + 23, y + 0.5, { size: 11, weight: 700, align: 'center', colour: look.grey ? theme.text : theme.brokerInk[card.colour] });
  text(v, `Broker ${card.id}`, card.x + 40, y, { size: 13, weight: 600 });
  font(v, 13, 600);
  let x = card.x + 40 + ctx.measureText(`Broker ${card.id}`).width + 10;
  font(v, 11.5, 500);
  const right = card.x + card.w - 12;
  const state = clip(ctx, look.words, right - x - 8);
  const stateWidth = ctx.measureText(state).width;
  text(v, state, right, y, { size: 11.5, weight: 500, align: 'right', colour: look.ink });
  const room = right - stateWidth - 14;
  if (v.model.controller === card.id && room - x > 70) {
    font(v, 10.5, 500);
    const w = ctx.measureText('controller').width + 12;
    box(v, Math.round(x), y - 8, Math.round(w), 16, 8, null, theme.lineStrong);
    text(v, 'controller', x + w / 2, y + 0.5, { size: 10.5, weight: 500, align: 'center', colour: theme.text2 });
    x += w + 8;
  }
  const more = [card.broker.address, card.hidden ? `+${count(card.hidden)} internal` : ''].filter(Boolean).join('  ·  ');
  if (room - x > 40) text(v, more, x, y, { size: 11, colour: theme.text3, max: room - x });
  ctx.globalAlpha = 1;
}

/** The names of topics beside cells and followers. */
function paintLabels(v, card) {
  const { theme } = v;
  v.ctx.globalAlpha = dim(v, `b${card.id}`, ...card.parts.map((p) => `t${p.id}`), ...card.follows.map((f) => `t${f.part.id}`)) ? 0.35 : 1;
  for (const l of card.labels) {
    text(v, l.text, l.x, l.y + l.h / 2 + 0.5, { size: l.faint ? 10.5 : 11, weight: l.faint ? 400 : 500, colour: l.faint ? theme.text3 : theme.text2, max: l.w });
  }
  if (card.band) text(v, card.band.text, card.band.x, card.band.y + 5, { size: 10.5, colour: card.band.bad ? theme.bad : theme.text3 });
  v.ctx.globalAlpha = 1;
}

function brokerRates(v, card) {
  const [i, o] = [card.broker.inRate.at(v.now), card.broker.outRate.at(v.now)];
  return v.lay.stacked ? `${short(i)} in  ${short(o)} out` : `${short(i)}/s in   ${short(o)}/s out`;
}

function hatch(v, x, y, w, h) {
  const { ctx, theme } = v;
  ctx.strokeStyle = fade(theme.lineStrong, 0.35);
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (let d = -h; d < w; d += 9) {
    ctx.moveTo(x + d, y + h);
    ctx.lineTo(x + d + h, y);
  }
  ctx.stroke();
}

/** What of a row stands still: name, rail and the log's end. */
function paintRowLabels(v, row) {
  const { ctx, theme } = v;
  const p = row.part;
  const weak = dim(v, `t${p.id}`, `b${row.card.id}`);
  ctx.globalAlpha = weak ? 0.35 : 1;
  const y = row.lane.y + row.lane.h / 2;
  const name = v.model.topicOf(p)?.name ?? '';
  const number = `-${p.p}`;
  font(v, 11.5, 500);
  const w = ctx.measureText(number).width;
  const shown = clip(ctx, name, row.labelW - w);
  text(v, shown, row.labelX, y, { size: 11.5, weight: 500, colour: theme.text2 });
  text(v, number, row.labelX + ctx.measureText(shown).width, y, { size: 11.5, weight: 650, colour: theme.text });
  const shorted = inSync(p) < p.replicas.length;
  const end = p.leader < 0 ? 'no leader' : count(p.end);
  text(v, end, row.card.x + row.w - 12, y, { size: 11, mono: true, align: 'right', colour: p.leader < 0 ? theme.bad : theme.text2 });
  if (shorted && p.leader >= 0) {
    font(v, 11, 400, true);
    paintShort(v, Math.max(row.lane.x + row.lane.w + 7, row.card.x + row.w - 22 - ctx.measureText(end).width), y);
  }
  ctx.strokeStyle = fade(theme.lineStrong, 0.5);
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(row.card.x + 5, row.rail);
  ctx.lineTo(row.card.x + row.w - 1, row.rail);
  ctx.stroke();
  ctx.globalAlpha = 1;
}

// Strips and heat.

/** The greatest rate of a partition, by which the cells are coloured. */
export function topRate(v) {
  let top = 0;
  for (const c of v.lay.cells.values()) top = Math.max(top, c.part.inRate.at(v.now));
  return top;
}

function paintCells(v) {
  const { theme, ctx } = v;
  const strips = v.lay.level === 'strips';
  const lags = worstLags(v);
  const marks = [];
  const shorts = [];
  const byPlace = v.lay.level === 'topics' ? new Map() : null;
  for (const c of v.lay.cells.values()) {
    const rate = c.part.inRate.at(v.now);
    const lag = lags.get(c.part.id) ?? 0;
    if (byPlace) { // one cell for a topic: the busiest of its partitions
      const at = `${c.x},${c.y}`;
      if ((byPlace.get(at) ?? -1) >= rate) continue;
      byPlace.set(at, rate);
    }
    if (strips) paintStrip(v, c, rate, lag);
    else {
      ctx.fillStyle = heat(theme, rate, v.top);
      ctx.fillRect(c.x, c.y, c.w, c.h);
      if (v.focus?.has(`t${c.part.id}`)) box(v, c.x - 1, c.y - 1, c.w + 2, c.h + 2, 1, null, theme.text);
    }
    if (c.part.leader < 0) marks.push(c);
    else if (!strips && inSync(c.part) < c.part.replicas.length) shorts.push(c);
  }
  for (const c of shorts) box(v, c.x, c.y, c.w, c.h, 1, null, theme.warn);
  for (const c of marks) cross(v, c);
}

function worstLags(v) {
  const out = new Map();
  for (const l of v.model.lags.values()) out.set(l.p, Math.max(out.get(l.p) ?? 0, l.lag));
  return out;
}

function paintStrip(v, c, rate, lag) {
  const { ctx, theme } = v;
  const weak = dim(v, `t${c.part.id}`, `b${c.card.id}`);
  ctx.globalAlpha = weak ? 0.35 : 1;
  box(v, c.x, c.y, c.w, c.h, 3, theme.surface2, theme.line);
  const full = c.w - 2;
  ctx.fillStyle = heat(theme, rate, v.top);
  if (rate > 0) ctx.fillRect(c.x + 1, c.y + c.h - 4, Math.max(2, full * shareOf(rate, v.top)), 3);
  text(v, String(c.part.p), c.x + 5, c.y + c.h / 2 - 1, { size: 10, weight: 600, colour: theme.text });
  const lacks = inSync(c.part) < c.part.replicas.length;
  if (lacks && c.part.leader >= 0) paintShort(v, c.x + c.w - 9, c.y + c.h / 2 - 1.5);
  else if (rate > 0) text(v, short(rate), c.x + c.w - 5, c.y + c.h / 2 - 1, { size: 9.5, align: 'right', colour: theme.text2, max: 26 });
  if (lag > 0) {
    ctx.fillStyle = theme.warn;
    const h = Math.min(c.h - 2, 2 + Math.log10(1 + lag) * 2.2);
    ctx.fillRect(c.x + c.w - 3, c.y + c.h - 1 - h, 2, h);
  }
  ctx.globalAlpha = 1;
}

function cross(v, c) {
  const { ctx, theme } = v;
  ctx.strokeStyle = theme.bad;
  ctx.lineWidth = 1.5;
  ctx.strokeRect(c.x + 0.5, c.y + 0.5, c.w - 1, c.h - 1);
  ctx.beginPath();
  ctx.moveTo(c.x + 1, c.y + 1);
  ctx.lineTo(c.x + c.w - 1, c.y + c.h - 1);
  ctx.moveTo(c.x + c.w - 1, c.y + 1);
  ctx.lineTo(c.x + 1, c.y + c.h - 1);
  ctx.stroke();
}

// Clients and groups.

function paintNode(v, n, producing) {
  const { ctx, theme } = v;
  const weak = dim(v, ...n.keys);
  ctx.globalAlpha = weak ? 0.45 : 1;
  const node = n.node;
  const colour = producing ? theme.produce : groupColour(theme, node);
  box(v, n.x, n.y, n.w, n.h, 8, theme.surface, theme.line);
  ctx.fillStyle = colour;
  ctx.beginPath();
  if (v.lay.stacked && producing) ctx.roundRect(n.x + 10, n.y + n.h - 3, n.w - 20, 3, 1.5);
  else ctx.roundRect(producing || v.lay.stacked ? n.x + n.w - 3 : n.x, n.y + 8, 3, n.h - 16, 1.5);
  ctx.fill();
  let x = n.x + 12;
  if (node.group) {
    badge(v, x + 7, n.y + 16, node.number, colour);
    x += 21;
  }
  text(v, node.name, x, n.y + 16, { size: 12.5, weight: 600, max: n.x + n.w - x - 10 });
  const [first, warn] = node.group ? groupLine(v, node.group) : clientLine(v, n, producing);
  text(v, first, n.x + 12, n.y + 33, { size: 11, colour: warn ? theme.warn : theme.text3, max: n.w - 22 });
  if (node.group) paintMembers(v, n, colour);
  ctx.globalAlpha = 1;
}

/** The number that stands for a group in the logs. */
export function badge(v, x, y, number, colour) {
  const { ctx } = v;
  ctx.fillStyle = colour;
  ctx.beginPath();
  ctx.arc(x, y, 7.5, 0, 7);
  ctx.fill();
  text(v, String(number), x, y + 0.5, { size: 10, weight: 700, align: 'center', colour: v.theme.surface });
}

function groupLine(v, group) {
  const lag = v.model.lagOf(group.id);
  const state = group.state && group.state !== 'Stable' ? `${group.state} · ` : '';
  return [`${state}lag ${count(lag)}`, lag > 0 && !group.members.length];
}

function clientLine(v, n, producing) {
  let rate = 0;
  for (const l of v.model.links.values()) {
    if (n.keys.includes(v.scene.ends.get(l.id)) && (l.d === 'p') === producing) rate += l.rate.at(v.now);
  }
  const flow = `${short(rate)}/s`;
  if (n.node.rest) return [flow, false];
  if (n.node.shared > 1) return [`${flow} · for ${n.node.shared} groups`, false];
  const what = n.node.client.software || (producing ? 'producer' : 'consumer');
  return [n.node.client.connected || rate > 0 ? `${flow} · ${what}` : `gone · ${what}`, false];
}

function paintMembers(v, n, colour) {
  const { theme, ctx } = v;
  const members = n.node.group.members;
  const assigned = new Map();
  for (const l of v.model.lags.values()) {
    if (l.g === n.node.group.id && l.m) assigned.set(l.m, (assigned.get(l.m) ?? 0) + 1);
  }
  const shown = members.slice(0, 6);
  shown.forEach((m, i) => {
    const y = n.y + NODE + 4 + i * 18 + 9;
    const parts = assigned.get(m.id) ?? 0;
    ctx.beginPath();
    ctx.arc(n.x + 17, y, 3, 0, 7);
    ctx.strokeStyle = ctx.fillStyle = parts ? colour : theme.text3;
    ctx.lineWidth = 1.3;
    if (parts) ctx.fill();
    else ctx.stroke();
    const name = m.client || m.id;
    font(v, 11);
    const room = n.w - 46 - ctx.measureText(name).width;
    font(v, 10.5);
    let right = parts ? `${parts} ${parts === 1 ? 'partition' : 'partitions'}` : 'idle';
    if (ctx.measureText(right).width > room && parts) right = String(parts);
    const rw = ctx.measureText(right).width;
    text(v, right, n.x + n.w - 10, y, { size: 10.5, align: 'right', colour: theme.text3 });
    text(v, name, n.x + 26, y, { size: 11, colour: theme.text2, max: n.w - 44 - rw });
  });
  if (members.length > 6) {
    text(v, `and ${members.length - 6} more`, n.x + 26, n.y + NODE + 4 + 6 * 18 + 9, { size: 11, colour: theme.text3 });
  }
}

function paintNobody(v, side, words) {
  const { lay, theme } = v;
  const col = lay.frame[side];
  const y = lay.stacked ? (side === 'left' ? 12 : lay.consumersStart + 12) : lay.height / 2 - NODE / 2;
  box(v, col.x, y, col.w, NODE, 8, null, theme.lineStrong, [4, 4]);
  text(v, words, col.x + col.w / 2, y + NODE / 2, { size: 12, align: 'center', colour: theme.text3 });
}

/** What the hover card tells of a broker. */
export function brokerFacts(v, card) {
  const { broker } = card;
  const lost = card.follows.filter((f) => !f.rep.sync || f.rep.offline).length;
  const rows = [
    ['state', broker.cause || (broker.fenced ? `${broker.state}, fenced` : broker.state)],
    ['address', broker.address || '–'],
    ['leads', count(card.parts.filter((p) => p.leader === card.id).length)],
  ];
  if (card.follows.length) rows.push(['follows', lost ? `${count(card.follows.length)}, ${count(lost)} not in sync` : count(card.follows.length)]);
  if (card.hidden) rows.push(['internal', count(card.hidden)]);
  rows.push(['connections', count(broker.connections)], ['on disk', bytes(broker.size)]);
  return rows;
}
