import test from 'node:test';
import assert from 'node:assert/strict';
import { decodeFrame, mergeFrames } from './decode.js';
import { Model, Rate } from './model.js';

const FRAME = '{"n":7,"t":1700000000000,"w":100,"b":[1,1,2,3,4,5,6],"p":[3,5,4,5,5,0,2,1,0,1,1,0],"l":[4,5,3,6],"g":[9,5,30],"h":[[1,2]],"s":[]}';

test('a frame is read', () => {
  const f = decodeFrame(FRAME);
  assert.equal(f.no, 7);
  assert.deepEqual(f.brokers, [{ id: 1, in: 1, out: 2, bytesIn: 3, bytesOut: 4, connections: 5, size: 6 }]);
  assert.deepEqual(f.partitions.map((p) => [p.id, p.in]), [[3, 5], [5, 1]]);
  assert.deepEqual(f.links, [{ id: 4, records: 5 }, { id: 7, records: 6 }]);
  assert.deepEqual(f.lags, [{ id: 9, committed: 5, lag: 30 }]);
});

test('what is no frame is refused', () => {
  for (const bad of ['', '[]', 'null', '{}', '{"t":1,"p":[1,2]}', '{"t":1,"l":[0,5]}', '{"t":1,"l":[3,1,-1,1]}', '{"t":1,"g":"x"}']) {
    assert.throws(() => decodeFrame(bad), undefined, bad);
  }
});

test('merged frames add up, and gauges take the newest', () => {
  const a = decodeFrame('{"n":1,"t":1,"w":100,"l":[1,5,4,1],"g":[2,1,50],"b":[1,1,1,1,1,9,9],"h":[[1]]}');
  const b = decodeFrame('{"n":2,"t":2,"w":100,"l":[1,2,2,3],"g":[2,4,20],"b":[1,2,2,2,2,3,4],"h":[[2]]}');
  const m = mergeFrames(a, b);
  assert.deepEqual(m.links, [{ id: 1, records: 7 }, { id: 3, records: 3 }, { id: 5, records: 1 }]);
  assert.deepEqual(m.lags, [{ id: 2, committed: 5, lag: 20 }]);
  assert.deepEqual(m.brokers[0], { id: 1, in: 3, out: 3, bytesIn: 3, bytesOut: 3, connections: 3, size: 4 });
  assert.equal(m.window, 200);
  assert.deepEqual(m.fine, [[1], [2]]);
  assert.equal(a.links[0].records, 5, 'the parts are left as they were');
});

const HELLO = {
  schema: 2, seq: 5, time: 1000, controller: 1, fine: true,
  brokers: [{ id: 1, up: true, address: 'a:1' }],
  topics: [{ i: 10, name: 'orders' }],
  partitions: [{ i: 3, t: 10, p: 0, leader: 1, epoch: 0, replicas: [[21, 1, 1, 0, 100, 0], [22, 2, 1, 40, 90, 0]], in: 100, out: 0, hw: 100, end: 100, start: 0, inRate: 5 }],
  clients: [{ i: 20, name: 'app', connected: true }],
  links: [{ i: 4, d: 'p', c: 20, p: 3, n: 100 }],
  groups: [{ i: 30, name: 'billing', state: 'Stable', generation: 1 }],
  lags: [{ i: 9, g: 30, p: 3, committed: 60, lag: 40 }],
};

test('the model follows frames', () => {
  const m = new Model();
  m.hello(structuredClone(HELLO));
  m.frame(decodeFrame('{"n":1,"t":1100,"w":100,"p":[3,5,0,5,5,0],"l":[4,5],"g":[9,10,35]}'));
  assert.equal(m.partitions.get(3).in, 105);
  assert.equal(m.partitions.get(3).hw, 105);
  assert.equal(m.links.get(4).n, 105);
  assert.deepEqual([m.lags.get(9).committed, m.lags.get(9).lag, m.lagOf(30)], [70, 35, 35]);
  assert.equal(m.nameOf(m.partitions.get(3)), 'orders-0');
});

test('a patch keeps the running numbers of what is known', () => {
  const m = new Model();
  m.hello(structuredClone(HELLO));
  m.frame(decodeFrame('{"n":1,"t":1100,"w":100,"p":[3,5,0,5,5,0]}'));
  m.patch({ seq: 6, time: 1100, controller: 2, fine: true, partitions: [{ ...HELLO.partitions[0], leader: 2, epoch: 1 }], drop: { links: [4] } });
  const p = m.partitions.get(3);
  assert.deepEqual([p.leader, p.epoch, p.in, p.hw], [2, 1, 105, 105]);
  assert.equal(m.links.size, 0);
  m.frame(decodeFrame('{"n":2,"t":1200,"w":100,"l":[4,5]}')); // of a link that has gone
  assert.equal(m.links.size, 0);
});

test('a group without members in the message has an empty list', () => {
  const m = new Model();
  m.hello(structuredClone(HELLO));
  assert.deepEqual(m.groups.get(30).members, []);
  m.patch({ seq: 7, time: 1200, controller: 1, fine: true, groups: [{ i: 30, name: 'billing', state: 'Empty', generation: 2 }], drop: {} });
  assert.deepEqual(m.groups.get(30).members, []);
});

test('a rate settles at the speed of the counter and dies away', () => {
  const r = new Rate();
  for (let t = 0; t <= 20_000; t += 100) r.add(7, t);
  assert.ok(Math.abs(r.at(20_000) - 70) < 5, `${r.at(20_000)}/s`);
  assert.ok(r.at(30_000) < 0.2);
  assert.equal(r.at(60_000), 0);
});
