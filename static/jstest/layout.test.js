import test from 'node:test';
import assert from 'node:assert/strict';
import { Model } from './model.js';
import { buildScene, levelFor, spanFor } from './scene.js';
import { layout, pathOf } from './layout.js';
import { along } from './paths.js';
import { replications } from './followers.js';

/** A model with so many topics of so many partitions over three brokers. */
function cluster(topics, partitions, { producers = 2, groups = 1, members = 2, brokers = 3, rf = 3 } = {}) {
  const m = { schema: 2, seq: 1, time: 1000, controller: 1, fine: true, brokers: [], topics: [], partitions: [], clients: [], links: [], groups: [], lags: [] };
  let id = 100;
  for (let b = 1; b <= brokers; b++) m.brokers.push({ id: b, up: true, state: 'running', address: `127.0.0.1:909${b}` });
  for (let c = 0; c < producers; c++) m.clients.push({ i: ++id, name: `producer-${c}`, connected: true });
  const consumer = { i: ++id, name: 'consumer', connected: true };
  m.clients.push(consumer);
  for (let g = 0; g < groups; g++) {
    m.groups.push({ i: ++id, name: `group-${g}`, state: 'Stable', generation: 1, members: Array.from({ length: members }, (_, k) => ({ id: `m${k}`, client: k === 0 && g === 0 ? 'consumer' : `other-${g}-${k}` })) });
  }
  for (let t = 0; t < topics; t++) {
    const topic = { i: ++id, name: t === 0 && topics > 1 ? '__internal' : `topic-${t}`, internal: t === 0 && topics > 1 };
    m.topics.push(topic);
    for (let p = 0; p < partitions; p++) {
      const part = { i: ++id, t: topic.i, p, leader: (p % brokers) + 1, epoch: 0, replicas: Array.from({ length: rf }, (_, k) => [++id, ((p + k) % brokers) + 1, 1, 10, 10, 0]), in: 10, out: 0, hw: 10, end: 10, start: 0 };
      m.partitions.push(part);
      m.links.push({ i: ++id, d: 'p', c: m.clients[p % producers].i, p: part.i, n: 10 }, { i: ++id, d: 'f', c: consumer.i, p: part.i, n: 10 });
      if (groups) m.lags.push({ i: ++id, g: m.groups[0].i, p: part.i, m: 'm0', client: 'consumer', committed: 5, lag: 5 });
    }
  }
  const model = new Model();
  model.hello(m);
  return model;
}

const place = (model, width, options) => {
  const scene = buildScene(model, options);
  return { scene, lay: layout(scene, width, { topicName: (p) => model.topicOf(p).name }) };
};

test('the level of detail follows the number of partitions', () => {
  assert.deepEqual([1, 24, 25, 240, 241, 10_000, 10_001].map((n) => levelFor(n)), ['logs', 'logs', 'strips', 'strips', 'heat', 'heat', 'topics']);
});

for (const [topics, partitions] of [[1, 0], [1, 1], [2, 6], [4, 6], [11, 12], [101, 12], [30, 400]]) {
  for (const width of [320, 390, 719, 720, 1180, 2400]) {
    test(`${topics * partitions} partitions at ${width} pixels: all inside, none on another`, () => {
      const { scene, lay } = place(cluster(topics, partitions), width);
      const shown = scene.brokers.reduce((n, b) => n + b.parts.length, 0);
      const boxes = [...(scene.level === 'logs' ? lay.rows : lay.cells).values()];
      assert.equal(boxes.length, shown);
      for (const box of [...boxes, ...lay.followers.values(), ...lay.producers, ...lay.consumers, ...lay.brokers]) {
        assert.ok(box.x >= 0 && box.x + box.w <= width + 0.5, `x ${box.x}+${box.w}`);
        assert.ok(box.y >= 0 && box.y + box.h <= lay.height + 0.5, `y ${box.y}+${box.h} of ${lay.height}`);
        assert.ok(box.w > 0 && box.h > 0);
        if (box.card) assert.ok(box.y + box.h <= box.card.y + box.card.h, 'inside its broker');
        if (box.lane) assert.ok(box.lane.w > 20, `a lane of ${box.lane.w}`);
      }
      const sorted = [...boxes].sort((a, b) => a.y - b.y || a.x - b.x);
      if (scene.level === 'topics') return; // partitions of a topic share a cell
      for (let i = 1; i < sorted.length; i++) {
        const [a, b] = [sorted[i - 1], sorted[i]];
        if (a.y === b.y) assert.ok(a.x + a.w <= b.x + 0.5, `${a.x}+${a.w} and ${b.x}`);
      }
    });
  }
}

test('internal topics are counted, and drawn when asked for', () => {
  const model = cluster(2, 6);
  assert.equal(buildScene(model).partitions, 6);
  assert.equal(buildScene(model).brokers.reduce((n, b) => n + b.hidden, 0), 6);
  assert.equal(buildScene(model, { internal: true }).partitions, 12);
});

test('a partition that nobody leads stays where it was', () => {
  const model = cluster(1, 3);
  for (const p of model.partitions.values()) p.leader = -1;
  assert.equal(buildScene(model).partitions, 3);
});

test('a fetch belongs to the group whose member has the client id', () => {
  const model = cluster(1, 3);
  const scene = buildScene(model);
  const group = [...model.groups.values()][0];
  for (const l of model.links.values()) if (l.d === 'f') assert.equal(scene.ends.get(l.id), `g${group.id}`);
  assert.equal(scene.consumers.length, 1);
});

test('where two groups share a client id, the flow is given to neither', () => {
  const model = cluster(1, 3, { groups: 2 });
  const [a, b] = [...model.groups.values()];
  b.members.push({ id: 'x', client: 'consumer' });
  let n = 9000;
  for (const p of model.partitions.values()) model.lags.set(++n, { id: n, g: b.id, p: p.id, m: 'x', client: 'consumer', committed: 0, lag: 10 });
  const scene = buildScene(model);
  const shared = scene.consumers.find((c) => c.client);
  assert.equal(shared.shared, 2);
  for (const l of model.links.values()) if (l.d === 'f') assert.equal(scene.ends.get(l.id), shared.key);
  assert.ok(scene.consumers.some((c) => c.group === a) && scene.consumers.some((c) => c.group === b));
});

test('clients that do not fit become one node that stands for all of them', () => {
  const { scene, lay } = place(cluster(1, 3, { producers: 3 }), 1180);
  assert.equal(lay.producers.length, scene.producers.length);
  const many = cluster(1, 90, { producers: 60 });
  const { lay: folded, scene: all } = place(many, 1180);
  const keys = folded.producers.flatMap((n) => n.keys);
  assert.deepEqual([...keys].sort(), all.producers.map((p) => p.key).sort(), 'every producer is in one node');
  assert.ok(folded.producers.length < 60);
});

test('a path goes from its client to its partition and back, evenly', () => {
  for (const width of [390, 1180]) {
    const { lay } = place(cluster(1, 6), width);
    const row = [...lay.rows.values()][3];
    const to = pathOf(lay, 'p', lay.producers[0], row, { to: row.lane.x + row.lane.w });
    const end = along(to, 1);
    assert.ok(Math.abs(end[0] - (row.lane.x + row.lane.w)) < 1 && Math.abs(end[1] - row.rail) < 1);
    const steps = [];
    for (let i = 0; i < 40; i++) steps.push(Math.hypot(along(to, (i + 1) / 40)[0] - along(to, i / 40)[0], along(to, (i + 1) / 40)[1] - along(to, i / 40)[1]));
    const mean = steps.reduce((a, b) => a + b) / steps.length;
    for (const s of steps) assert.ok(s < mean * 1.6, 'no jumps');
    const from = pathOf(lay, 'f', lay.consumers[0], row, { from: row.lane.x + 5 });
    assert.ok(Math.abs(along(from, 0)[0] - (row.lane.x + 5)) < 1);
  }
});

test('the span of the logs fits the lag of the groups at work, not of forgotten ones', () => {
  const model = cluster(1, 3);
  const scene = buildScene(model);
  assert.equal(spanFor(model, scene, 1000), 50);
  for (const l of model.lags.values()) l.lag = 300;
  assert.equal(spanFor(model, scene, 1000), 500);
  for (const l of model.lags.values()) l.lag = 5_000_000;
  assert.ok(spanFor(model, scene, 1000) <= 1000, 'an old lag does not flatten the picture');
  for (const g of model.groups.values()) g.members = [];
  assert.equal(spanFor(model, scene, 1000), 50);
});
