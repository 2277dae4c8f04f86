import test from 'node:test';
import assert from 'node:assert/strict';
import { Model } from './model.js';
import { decodeFrame, mergeFrames } from './decode.js';
import { buildScene } from './scene.js';
import { layout } from './layout.js';
import { inSync, replications } from './followers.js';
import { Changes } from './changes.js';

/** Partitions of one topic with three replicas each, spread over brokers. */
function hello(partitions, brokers = 3) {
  return {
    schema: 2, seq: 1, time: 1000, controller: 1, fine: true,
    brokers: Array.from({ length: brokers }, (_, i) => ({ id: i + 1, up: true, state: 'running' })),
    topics: [{ i: 1, name: 'orders' }],
    partitions: Array.from({ length: partitions }, (_, p) => ({
      i: 1000 + p, t: 1, p, leader: (p % brokers) + 1, epoch: 0, in: 0, out: 0, hw: 10, end: 10, start: 0,
      replicas: Array.from({ length: Math.min(3, brokers) }, (_, k) => [2000 + 10 * p + k, ((p + k) % brokers) + 1, 1, 0, 10, 0]),
    })),
  };
}

function laid(model, width) {
  const scene = buildScene(model);
  const lay = layout(scene, width, { topicName: (p) => model.topicOf(p).name });
  return { scene, lay };
}

test('each follower has a place on its own broker, and a way from its leader', () => {
  for (const [partitions, brokers] of [[24, 3], [7, 15], [24, 15], [240, 3], [1200, 3]]) {
    for (const width of [390, 1180]) {
      const model = new Model();
      model.hello(hello(partitions, brokers));
      const { lay, scene } = laid(model, width);
      assert.equal(lay.followers.size, partitions * 2, `${partitions} on ${brokers} at ${width}`);
      for (const f of lay.followers.values()) {
        assert.equal(f.card.id, f.rep.b);
        assert.ok(f.x >= f.card.x && f.x + f.w <= f.card.x + f.card.w && f.y + f.h <= f.card.y + f.card.h, 'inside its broker');
      }
      const ways = replications(lay);
      const reached = [...ways.values()].flatMap((w) => w.reps.map((r) => r.id));
      assert.equal(new Set(reached).size, partitions * 2);
      for (const w of ways.values()) for (let i = 0; i < w.path.length; i += 2) assert.ok(w.path[i] >= 0 && w.path[i] <= width, `x ${w.path[i]} of ${width}`);
      if (scene.level !== 'logs') assert.ok(ways.size <= brokers * (brokers - 1), 'one way for two brokers');
    }
  }
});

test('fifteen brokers do not make whole logs taller than they help', () => {
  const model = new Model();
  model.hello(hello(24, 15));
  assert.equal(laid(model, 1180).scene.level, 'strips');
  model.hello(hello(24, 3));
  assert.equal(laid(model, 1180).scene.level, 'logs');
});

test('the model counts what followers take, and keeps it over a patch', () => {
  const m = new Model();
  m.hello(hello(1));
  m.frame(decodeFrame('{"n":1,"t":1100,"w":100,"r":[2001,7,0,1,5,-2]}'));
  const [, a, b] = m.partitions.get(1000).replicas;
  assert.deepEqual([a.n, a.end, b.n, b.end], [7, 17, 5, 13]);
  const row = hello(1).partitions[0];
  row.leader = 2;
  row.replicas[0][2] = 2; // the old leader's broker is down
  m.patch({ seq: 2, time: 1200, controller: 1, fine: true, partitions: [row] });
  const part = m.partitions.get(1000);
  assert.deepEqual(part.replicas.map((r) => [r.sync, r.offline, r.n]), [[false, true, 0], [true, false, 7], [true, false, 5]]);
  assert.equal(inSync(part), 2);
  m.patch({ seq: 3, time: 1300, controller: 1, fine: true, drop: { partitions: [1000] } });
  assert.equal(m.replicas.size, 0);
});

test('merged frames add followers up', () => {
  const m = mergeFrames(decodeFrame('{"n":1,"t":1,"w":1,"r":[5,7,0]}'), decodeFrame('{"n":2,"t":2,"w":1,"r":[5,1,-4,2,3,0]}'));
  assert.deepEqual(m.replicas, [{ id: 5, records: 8, end: 4 }, { id: 7, records: 3, end: 3 }]);
});

test('a partition that has another leader moves, and what fell out is ringed', () => {
  const model = new Model();
  model.hello(hello(6));
  const changes = new Changes();
  changes.compare(laid(model, 1180).lay, 0);
  assert.deepEqual([changes.flights.length, changes.rings.length], [0, 0]);
  const row = hello(6).partitions[0]; // broker 1 led it
  row.leader = 2;
  row.replicas[2][2] = 0;
  model.patch({ seq: 2, time: 1200, controller: 1, fine: true, partitions: [row] });
  changes.compare(laid(model, 1180).lay, 10);
  assert.equal(changes.flights.length, 1);
  assert.equal(changes.flights[0].part.leader, 2);
  assert.equal(changes.rings.length, 2); // the new leader's log, and the follower that fell out
});
