// Who is in the picture, and between whom records flow. Pure.

import { logsHeight } from './layout.js';
import { letter } from './numbers.js';

/** Up to so many partitions are drawn as whole logs, as strips, as heat cells. */
export const LEVELS = { logs: 24, strips: 240, heat: 10000 };

const TALL = 1350; // px; whole logs never make the picture taller

/** The level of detail for so many partitions on so many brokers. */
export function levelFor(partitions, brokers = 3) {
  if (partitions <= LEVELS.logs && logsHeight(partitions, brokers) <= TALL) return 'logs';
  if (partitions <= LEVELS.strips) return 'strips';
  return partitions <= LEVELS.heat ? 'heat' : 'topics';
}

/**
 * Puts the model's entries in the places where they are drawn.
 * @param {import('./model.js').Model} model
 * @param {{internal?: boolean}} options whether internal topics are drawn
 */
export function buildScene(model, { internal = false } = {}) {
  const brokers = [...model.brokers.values()].sort((a, b) => a.id - b.id)
    .map((b, i) => ({ id: b.id, broker: b, letter: letter(i), colour: i % 8, parts: [], follows: [], hidden: 0 }));
  const byId = new Map(brokers.map((b) => [b.id, b]));
  let shown = 0;
  for (const p of model.partitions.values()) {
    // A partition that nobody leads stays where one of its replicas is.
    const home = byId.get(p.leader) ?? byId.get((p.replicas.find((r) => !r.offline) ?? p.replicas[0])?.b);
    if (!home) continue;
    if (model.topicOf(p)?.internal && !internal) {
      home.hidden++;
      continue;
    }
    home.parts.push(p);
    for (const rep of p.replicas) if (rep.b !== home.id) byId.get(rep.b)?.follows.push({ part: p, rep });
    shown++;
  }
  const order = (a, b) => compare(model.topicOf(a)?.name, model.topicOf(b)?.name) || a.p - b.p;
  for (const b of brokers) {
    b.parts.sort(order);
    b.follows.sort((x, y) => order(x.part, y.part));
  }
  return {
    level: levelFor(shown, brokers.length), partitions: shown, brokers, byId,
    ...actors(model, internal),
  };
}

const compare = (a = '', b = '') => (a < b ? -1 : a > b ? 1 : 0);

/** Producers on one side; groups, and clients that read without one, on the other. */
function actors(model, internal) {
  const producers = new Map();
  const consumers = new Map();
  for (const g of [...model.groups.values()].sort((a, b) => compare(a.name, b.name))) {
    consumers.set(`g${g.id}`, { key: `g${g.id}`, group: g, name: g.name, number: consumers.size + 1 });
  }
  const byClient = groupsByClient(model);
  const ends = new Map(); // link id -> key of the producer or consumer that it belongs to
  for (const l of model.links.values()) {
    const client = model.clients.get(l.c);
    const part = l.p ? model.partitions.get(l.p) : null;
    if (!client || (part && !internal && model.topicOf(part)?.internal)) continue;
    if (l.d === 'p') {
      const key = `p${client.id}`;
      if (!producers.has(key)) producers.set(key, { key, client, name: client.name });
      ends.set(l.id, key);
      continue;
    }
    const group = groupOf(byClient, client.name, l.p);
    const key = group ? `g${group}` : `c${client.id}`;
    if (!consumers.has(key)) {
      const groups = byClient.get(client.name)?.groups;
      consumers.set(key, { key, client, name: client.name, shared: groups?.size ?? 0, number: 0 });
    }
    ends.set(l.id, key);
  }
  return {
    producers: [...producers.values()].sort((a, b) => a.client.id - b.client.id),
    consumers: [...consumers.values()],
    ends,
  };
}

/** For each client id, the groups that it is a member of, and by partition. */
function groupsByClient(model) {
  const out = new Map();
  const at = (name) => {
    if (!out.has(name)) out.set(name, { groups: new Set(), partitions: new Map() });
    return out.get(name);
  };
  for (const g of model.groups.values()) for (const m of g.members) if (m.client) at(m.client).groups.add(g.id);
  for (const l of model.lags.values()) {
    if (!l.client) continue;
    const c = at(l.client);
    c.groups.add(l.g);
    if (!c.partitions.has(l.p)) c.partitions.set(l.p, new Set());
    c.partitions.get(l.p).add(l.g);
  }
  return out;
}

/**
 * The one group that a client reads a partition for. Where two groups have
 * members of the same client id, the flow cannot be told apart: then none.
 */
function groupOf(byClient, name, partition) {
  const c = byClient.get(name);
  if (!c) return null;
  const exact = partition ? c.partitions.get(partition) : null;
  const groups = exact?.size ? exact : c.groups;
  return groups.size === 1 ? [...groups][0] : null;
}

/**
 * How many of the newest offsets the logs show: one scale for all of them, from
 * the ladder 50, 100, 200, …, wide enough for the lag of the groups that are at
 * work and for some seconds of the busiest partition, but never so wide that a
 * forgotten group makes every other log a single stroke.
 */
export function spanFor(model, scene, now) {
  let fastest = 0;
  let lag = 0;
  const working = new Set([...model.groups.values()].filter((g) => g.members.length).map((g) => g.id));
  const shown = new Set();
  for (const b of scene.brokers) {
    for (const p of b.parts) {
      shown.add(p.id);
      fastest = Math.max(fastest, p.inRate.at(now));
    }
  }
  for (const l of model.lags.values()) if (working.has(l.g) && shown.has(l.p)) lag = Math.max(lag, l.lag);
  const wanted = Math.max(40, fastest * 8, Math.min(lag * 1.3, Math.max(500, fastest * 120)));
  const base = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((s) => s * base).find((s) => s >= wanted * 0.999);
}
