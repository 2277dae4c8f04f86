import test from 'node:test';
import assert from 'node:assert/strict';
import { DOTS_PER_SECOND, Diffuser, Scale, ladder, offsetInSlot, rungBelow } from './dots.js';

/** Numbers that look random and are the same in every run. */
function* numbers(seed) {
  for (let x = seed; ;) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    yield x / 2 ** 32;
  }
}

test('the ladder is 1, 2, 5, 10, …', () => {
  const want = [[0, 1], [0.3, 1], [1, 1], [1.01, 2], [2, 2], [2.1, 5], [5, 5], [6, 10], [10, 10], [11, 20], [49, 50], [51, 100], [999, 1000], [13334, 20000], [NaN, 1]];
  for (const [x, n] of want) assert.equal(ladder(x), n, `ladder(${x})`);
  for (let n = 1000; n > 1;) {
    const below = rungBelow(n);
    assert.equal(ladder(below), below);
    assert.equal(ladder(below + 0.1), n);
    n = below;
  }
});

for (const rate of [1, 1000, 100_000, 1_000_000]) {
  test(`dots account for every record at ${rate}/s, for ten minutes`, () => {
    const random = numbers(rate);
    const next = () => random.next().value;
    const scale = new Scale();
    const diffuser = new Diffuser();
    const links = [1, 2, 3, 4, 5];
    const records = new Map(links.map((l) => [l, 0]));
    const drawn = new Map(links.map((l) => [l, 0]));
    let owed = new Map(links.map((l) => [l, 0]));
    let perSecond = [];
    for (let tick = 0; tick < 6000; tick++) {
      let all = 0;
      let dots = 0;
      const deltas = links.map((l) => [l, Math.floor((rate / 10 / links.length) * 2 * next() + next())]);
      for (const [, d] of deltas) all += d;
      scale.update(all * 10, tick * 100);
      for (const [l, d] of deltas) {
        const n = diffuser.add(l, d, scale.n);
        dots += n;
        records.set(l, records.get(l) + d);
        drawn.set(l, drawn.get(l) + n * scale.n);
        owed.set(l, records.get(l) - drawn.get(l));
        assert.ok(owed.get(l) >= 0 && owed.get(l) < scale.n, `link ${l} owes ${owed.get(l)} at N=${scale.n}`);
      }
      perSecond.push(dots);
      if (perSecond.length > 10) perSecond.shift();
    }
    const sum = perSecond.reduce((a, b) => a + b, 0);
    assert.ok(sum <= DOTS_PER_SECOND * 1.3, `${sum} dots in a second`);
  });
}

test('N stands still while the rate is in bounds, and changes after two seconds out of them', () => {
  const s = new Scale();
  assert.equal(s.update(290, 0), false);
  assert.equal(s.update(400, 100), false, 'not at once');
  assert.equal(s.update(400, 1900), false);
  assert.equal(s.update(400, 2200), true);
  assert.equal(s.n, 2);
  assert.equal(s.update(250, 2300), false, '125 dots a second are enough');
  s.update(100, 3000);
  s.update(100, 4000);
  assert.equal(s.n, 2);
  assert.equal(s.update(100, 5100), true);
  assert.equal(s.n, 1);
});

test('N climbs at once when a burst breaks the budget twice over', () => {
  const s = new Scale();
  assert.equal(s.update(1_000_000, 0), true);
  assert.equal(s.n, 5000);
});

test('a trickle is never boosted', () => {
  const d = new Diffuser();
  for (let i = 0; i < 99; i++) assert.equal(d.add(7, 1, 100), 0);
  assert.equal(d.add(7, 1, 100), 1);
});

test('when N falls, what was owed is drawn', () => {
  const d = new Diffuser();
  d.add(1, 99, 100);
  assert.equal(d.add(1, 0, 10), 9);
  assert.equal(d.add(1, 1, 10), 1);
});

test('dots of a slot are evenly spread, in it, and the same every time', () => {
  for (const count of [1, 2, 7, 30]) {
    const at = Array.from({ length: count }, (_, i) => offsetInSlot(i, count, 42));
    for (let i = 0; i < count; i++) {
      assert.ok(at[i] >= 0 && at[i] < 1);
      if (i) assert.ok(Math.abs(at[i] - at[i - 1] - 1 / count) < 1e-9);
    }
    assert.deepEqual(at, Array.from({ length: count }, (_, i) => offsetInSlot(i, count, 42)));
  }
});
