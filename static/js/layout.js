// Where everything stands, in CSS pixels. Pure: the same scene and width give
// the same places.

import { placeFollowers } from './followers.js';
import { bezier, resample, rounded } from './paths.js';

const HEADER = 40; // of a broker's card
const HEADER_LOW = 30; // where there are many of them
const MANY = 6;
const PAD = 12;
const ROW = 27; // of a partition drawn as a log
const LANE = 14;
const NODE = 46; // of a client
const MEMBER = 18;
const MAX_MEMBERS = 6;
const STACK_BELOW = 720; // narrower than this, the columns stand on top of each other

/**
 * @param {ReturnType<import('./scene.js').buildScene>} scene
 * @param {number} width
 * @param {{topicName: (p: object) => string, measure?: (s: string) => number}} ask
 */
export function layout(scene, width, ask) {
  const stacked = width < STACK_BELOW;
  const measure = ask.measure ?? ((s) => s.length * 6.3);
  const replicated = scene.brokers.some((b) => b.follows.length);
  const gutter = !replicated ? 0 : stacked ? 12 : clamp(10 + scene.brokers.length * 3, 26, 48);
  const frame = stacked ? stackedFrame(width) : columnFrame(width);
  frame.centre.w -= gutter; // the ways from leaders to followers run beside the brokers
  const out = {
    width, stacked, gutter, level: scene.level, brokers: [], producers: [], consumers: [],
    rows: new Map(), cells: new Map(), followers: new Map(), frame, height: 0,
  };
  const most = stacked ? 6 : 40;
  let y = PAD;
  if (stacked) {
    y = placeNodes(out.producers, scene.producers, frame.left, y, most, 2) + 22;
  }
  const top = y;
  // The lanes of all brokers begin at the same place, so that they compare.
  out.labelWidth = scene.level !== 'logs' ? 0 : scene.brokers.flatMap((b) => b.parts)
    .reduce((w, p) => Math.max(w, measure(`${ask.topicName(p)}-${p.p}`)), 0);
  for (const b of scene.brokers) {
    y = placeBroker(out, scene, b, frame.centre, y, ask.topicName, measure) + 12;
  }
  if (!scene.brokers.length) y += 120;
  const bottom = y - 12;
  if (stacked) {
    out.consumersStart = bottom + 14;
    y = placeNodes(out.consumers, scene.consumers, frame.right, bottom + 26, most, 1);
    out.height = Math.max(y + PAD, 240);
    return out;
  }
  const height = Math.max(bottom - top, columnHeight(scene.producers, 8), columnHeight(scene.consumers, 8), 260);
  const fit = Math.max(3, Math.floor((height - 20) / (NODE + 10)));
  placeColumn(out.producers, scene.producers, frame.left, top, height, fit);
  placeColumn(out.consumers, scene.consumers, frame.right, top, height, fit);
  const shift = Math.max(0, (height - (bottom - top)) / 2); // the brokers in the middle of what stands beside them
  if (shift) moveBrokers(out, shift);
  out.height = top + height + PAD;
  return out;
}

function columnFrame(width) {
  const side = clamp(width * 0.17, 148, 216);
  const gap = clamp(width * 0.085, 44, 132);
  const pad = 4;
  return {
    left: { x: pad, w: side },
    centre: { x: pad + side + gap, w: width - 2 * (pad + side + gap) },
    right: { x: width - pad - side, w: side },
  };
}

function stackedFrame(width) {
  const gutter = 20;
  return {
    left: { x: gutter, w: width - 2 * gutter },
    centre: { x: gutter, w: width - 2 * gutter },
    right: { x: gutter, w: width - 2 * gutter },
  };
}

const clamp = (v, lo, hi) => Math.min(hi, Math.max(lo, v));

/** How tall whole logs make the picture, about. */
export const logsHeight = (partitions, brokers) => partitions * ROW + brokers * (brokers > MANY ? 74 : 84);

/** How tall a client or a group is. */
export function nodeHeight(node) {
  const members = node.group?.members.length ?? 0;
  if (!members) return NODE;
  return NODE + 4 + Math.min(members, MAX_MEMBERS) * MEMBER + (members > MAX_MEMBERS ? MEMBER : 0) + 4;
}

function columnHeight(nodes, most) {
  return nodes.slice(0, most).reduce((h, n) => h + nodeHeight(n) + 10, 0);
}

/** Puts nodes into a column, in its middle; what does not fit becomes one node. */
function placeColumn(out, nodes, col, top, height, fit) {
  let shown = [];
  let h = 0;
  for (const n of nodes) {
    const next = nodeHeight(n) + 10;
    if (h + next > height && shown.length >= Math.min(3, fit)) break;
    shown.push(n);
    h += next;
  }
  if (shown.length < nodes.length) {
    const rest = nodes.slice(shown.length - 1);
    h -= nodeHeight(shown.at(-1)) - NODE;
    shown = [...shown.slice(0, -1), foldedNode(rest)];
  }
  let y = top + Math.max(0, (height - h + 10) / 2);
  for (const n of shown) {
    const nh = nodeHeight(n);
    out.push(placed(n, col.x, y, col.w, nh));
    y += nh + 10;
  }
}

function placeNodes(out, nodes, col, y, most, columns) {
  let shown = nodes;
  if (nodes.length > most) shown = [...nodes.slice(0, most - 1), foldedNode(nodes.slice(most - 1))];
  const per = shown.length === 1 ? 1 : columns;
  const w = (col.w - (per - 1) * 10) / per;
  let row = 0;
  shown.forEach((n, i) => {
    const h = nodeHeight(n);
    out.push(placed(n, col.x + (i % per) * (w + 10), y, w, h));
    row = Math.max(row, h);
    if (i % per === per - 1 || i === shown.length - 1) {
      y += row + 10;
      row = 0;
    }
  });
  return shown.length ? y - 10 : y + NODE;
}

const foldedNode = (rest) => ({ key: 'rest', rest, name: `${rest.length} more`, number: 0 });

function placed(node, x, y, w, h) {
  const keys = node.rest ? node.rest.map((n) => n.key) : [node.key];
  return { node, keys, x: Math.round(x), y: Math.round(y), w: Math.round(w), h: Math.round(h) };
}

function placeBroker(out, scene, b, col, y, topicName, measure) {
  const head = scene.brokers.length > MANY ? HEADER_LOW : HEADER;
  const card = { ...b, x: Math.round(col.x), y: Math.round(y), w: Math.round(col.w), head, labels: [] };
  let bottom = y + head;
  if (b.parts.length && scene.level === 'logs') bottom = placeRows(out, card, bottom);
  else if (b.parts.length && scene.level === 'strips') bottom = placeStrips(out, card, bottom, topicName, measure);
  else if (b.parts.length) bottom = placeHeat(out, card, bottom, scene.level === 'topics' ? topicName : null);
  const led = bottom;
  bottom = placeFollowers(out, card, bottom, { topicName, measure, led: b.parts.length > 0 });
  card.h = Math.round(bottom - y + (b.parts.length || bottom > led ? 8 : 0));
  out.brokers.push(card);
  return card.y + card.h;
}

function placeRows(out, card, y) {
  const label = clamp(out.labelWidth + 14, 46, card.w * 0.3);
  const end = clamp(card.w * 0.16, 54, 84);
  for (const p of card.parts) {
    const x = card.x + 12 + label;
    out.rows.set(p.id, {
      part: p, card, x: card.x, y: Math.round(y), w: card.w, h: ROW,
      labelX: card.x + 12, labelW: label - 8,
      lane: { x: Math.round(x), y: Math.round(y + 4), w: Math.round(card.w - 24 - label - end), h: LANE },
      rail: Math.round(y + 4 + LANE + 4) + 0.5,
    });
    y += ROW;
  }
  return y;
}

/** Strips: a label and cells for each topic, the topics in columns of one width. */
function placeStrips(out, card, y, topicName, measure) {
  const [w, h, gap, room] = [46, 15, 3, card.w - 24];
  const topics = new Map();
  for (const p of card.parts) {
    const name = topicName(p);
    if (!topics.has(name)) topics.set(name, []);
    topics.get(name).push(p);
  }
  const widest = [...topics.keys()].reduce((most, t) => Math.max(most, measure(t)), 0);
  const label = clamp(widest + 10, 40, Math.min(130, room * 0.35));
  const most = [...topics.values()].reduce((m, parts) => Math.max(m, parts.length), 1);
  const perLine = clamp(Math.floor((room - label + gap) / (w + gap)), 1, most);
  const block = label + perLine * (w + gap);
  const columns = Math.max(1, Math.floor((room + 14) / (block + 14)));
  const stride = (room + 14) / columns;
  let column = 0;
  let line = 0; // height of the present line of topics
  for (const [name, parts] of topics) {
    if (column === columns) {
      y += line + 5;
      [column, line] = [0, 0];
    }
    const x = card.x + 12 + column * stride;
    card.labels.push({ x: Math.round(x), y: Math.round(y), w: label - 8, h, text: name });
    parts.forEach((p, i) => out.cells.set(p.id, {
      part: p, card, x: Math.round(x + label + (i % perLine) * (w + gap)), y: Math.round(y + Math.floor(i / perLine) * (h + gap)), w, h,
    }));
    line = Math.max(line, Math.ceil(parts.length / perLine) * (h + gap) - gap);
    column++;
  }
  return y + line + 4;
}

/** Heat: a small square for each partition, or for each topic. */
function placeHeat(out, card, y, topicName) {
  const room = card.w - 24;
  const items = topicName ? [...new Map(card.parts.map((p) => [topicName(p), p])).keys()] : card.parts;
  const size = items.length <= 600 ? 10 : items.length <= 2000 ? 8 : 6;
  const per = Math.max(1, Math.floor(room / size));
  const place = (i) => ({ x: card.x + 12 + (i % per) * size, y: Math.round(y + Math.floor(i / per) * size), w: size - 1, h: size - 1 });
  if (topicName) {
    const at = new Map(items.map((t, i) => [t, i]));
    for (const p of card.parts) out.cells.set(p.id, { part: p, card, topic: true, ...place(at.get(topicName(p))) });
  } else {
    items.forEach((p, i) => out.cells.set(p.id, { part: p, card, ...place(i) }));
  }
  return y + Math.ceil(items.length / per) * size + 2;
}

function moveBrokers(out, dy) {
  dy = Math.round(dy);
  for (const b of out.brokers) {
    b.y += dy;
    for (const l of b.labels) l.y += dy;
    if (b.band) b.band.y += dy;
  }
  for (const r of out.rows.values()) {
    r.y += dy;
    r.lane.y += dy;
    r.rail += dy;
  }
  for (const c of out.cells.values()) c.y += dy;
  for (const c of out.followers.values()) c.y += dy;
}

/**
 * The way of a link's dots, as points with equal steps between them.
 * @param {'p'|'f'} direction
 * @param {object} node of out.producers or out.consumers
 * @param {object} target a row, a cell or a broker's card
 * @param {{from?: number, to?: number}} along x on the row's rail where a produced record lands, or a fetched one starts
 */
export function pathOf(out, direction, node, target, along = {}) {
  const railed = target.rail !== undefined;
  const ty = railed ? target.rail : target.lane ? target.lane.y : target.y + (target.parts ? target.head / 2 : target.h / 2);
  const points = [];
  if (out.stacked) {
    const gutter = direction === 'p' ? 8 : out.width - 8;
    const edge = direction === 'p' ? target.card?.x ?? target.x : (target.card?.x ?? target.x) + (target.card?.w ?? target.w);
    const nx = direction === 'p' ? node.x + node.w / 2 : node.x + node.w;
    const ny = direction === 'p' ? node.y + node.h : node.y + NODE / 2;
    if (direction === 'p') {
      points.push([nx, ny], [nx, ny + 5], [gutter, ny + 5], [gutter, ty], [edge, ty]); // between the lines of clients
    } else {
      points.push([nx, ny], [gutter, ny], [gutter, ty], [edge, ty]);
    }
    if (railed) points.push([direction === 'p' ? along.to ?? edge : along.from ?? edge, ty]);
    return resample(rounded(direction === 'p' ? points : points.reverse(), 7));
  }
  if (direction === 'p') {
    points.push(...bezier(node.x + node.w, node.y + NODE / 2, target.card?.x ?? target.x, ty));
    if (railed) points.push([along.to ?? target.x, ty]);
    return resample(points);
  }
  const right = (target.card?.x ?? target.x) + (target.card?.w ?? target.w);
  if (railed) points.push([along.from ?? right, ty]);
  points.push(...bezier(right, ty, node.x, node.y + NODE / 2));
  return resample(points);
}
