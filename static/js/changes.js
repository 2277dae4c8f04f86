// What changed between two layouts, made visible: the mark of a leader moves to
// the broker that leads now, and a follower that fell out of sync or came back
// is ringed. State events say why; this says where.

import { fade } from './theme.js';

const FLIGHT = 900; // ms that a leader's mark takes to its new place
const RING = 1800; // ms that a ring fades
const MOST = 60; // at once; beyond, only rings

export class Changes {
  constructor() {
    this.leaders = null; // partition id -> {leader, x, y, colour}
    this.sync = new Map(); // replica id -> bits
    this.flights = [];
    this.rings = [];
  }

  /** Takes a new layout and notes what is different from the last one. */
  compare(lay, now) {
    const leaders = new Map();
    for (const box of [...lay.rows.values(), ...lay.cells.values()]) {
      const { part } = box;
      const at = { leader: part.leader, x: box.lane ? box.labelX + 6 : box.x + box.w / 2, y: box.lane ? box.lane.y + 7 : box.y + box.h / 2, colour: box.card.colour, level: lay.level };
      leaders.set(part.id, at);
      const was = this.leaders?.get(part.id);
      if (!was || was.leader === part.leader) continue;
      if (part.leader >= 0 && was.level === lay.level && this.flights.length < MOST) this.flights.push({ from: was, to: at, part, at: now });
      this.rings.push({ box: whole(box), at: now + (part.leader >= 0 ? FLIGHT * 0.8 : 0), bad: part.leader < 0, key: `t${part.id}` });
    }
    this.leaders = leaders;
    const sync = new Map();
    for (const f of lay.followers.values()) {
      const bits = (f.rep.sync ? 1 : 0) + (f.rep.offline ? 2 : 0);
      sync.set(f.rep.id, bits);
      const was = this.sync.get(f.rep.id);
      if (was === undefined || was === bits || this.rings.length >= 4 * MOST) continue;
      this.rings.push({ box: f, at: now, bad: bits !== 1, key: `r${f.rep.id}` });
    }
    this.sync = sync;
  }

  /** Draws what is still to be seen; returns whether something is. */
  draw(v, now) {
    this.flights = this.flights.filter((f) => now - f.at < FLIGHT);
    this.rings = this.rings.filter((r) => now - r.at < RING);
    for (const r of this.rings) if (now >= r.at) ring(v, r, (now - r.at) / RING);
    if (!v.reduced) for (const f of this.flights) flight(v, f, (now - f.at) / FLIGHT);
    return this.flights.length + this.rings.length > 0;
  }
}

const whole = (box) => (box.lane ? { x: box.lane.x - 1, y: box.lane.y - 1, w: box.lane.w + 2, h: box.lane.h + 2 } : box);

function ring(v, r, t) {
  const { ctx, theme } = v;
  const grow = v.reduced ? 2 : 2 + 3 * (1 - t);
  ctx.beginPath();
  ctx.roundRect(r.box.x - grow, r.box.y - grow, r.box.w + 2 * grow, r.box.h + 2 * grow, 5);
  ctx.strokeStyle = fade(r.bad ? theme.bad : theme.ok, 1 - t);
  ctx.lineWidth = 2;
  ctx.stroke();
}

/** A leader's mark on its way, with the partition's number. */
function flight(v, f, t) {
  const { ctx, theme } = v;
  const e = t < 0.5 ? 4 * t * t * t : 1 - (-2 * t + 2) ** 3 / 2;
  const bow = Math.sin(Math.PI * e) * Math.min(60, Math.abs(f.to.y - f.from.y) * 0.25 + 14);
  const x = f.from.x + (f.to.x - f.from.x) * e - bow;
  const y = f.from.y + (f.to.y - f.from.y) * e;
  ctx.beginPath();
  ctx.roundRect(x - 12, y - 9, 24, 18, 5);
  ctx.fillStyle = theme.brokers[f.to.colour];
  ctx.fill();
  ctx.strokeStyle = theme.surface;
  ctx.lineWidth = 2;
  ctx.stroke();
  ctx.font = `700 11px ${theme.font}`;
  ctx.textAlign = 'center';
  ctx.textBaseline = 'middle';
  ctx.fillStyle = theme.brokerInk[f.to.colour];
  ctx.fillText(String(f.part.p), x, y + 0.5);
}
