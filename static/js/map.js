// The map: producers, brokers with their partitions, consumer groups, and the
// records between them. Two canvases: what stands still is painted when it
// changes, what moves on every animation frame; while nothing moves, nothing
// is painted.

import { live } from './live.js';
import { buildScene, spanFor } from './scene.js';
import { layout } from './layout.js';
import { along } from './paths.js';
import { brokerFacts, bundlePath, bundles, dimBundle, groupColour, linkColour, paintBase, topRate } from './paint.js';
import { Glide, landing, paintLanes, placeOf } from './logs.js';
import { Diffuser, Scale, offsetInSlot } from './dots.js';
import { dimWay, inSync, replications } from './followers.js';
import { Changes } from './changes.js';
import { readTheme, onThemeChange } from './theme.js';
import { Keys } from './keys.js';
import { count, short } from './numbers.js';

const FLIGHT = 900; // ms that a dot is under way, whatever the latency of the record was
const BASE_EVERY = 125; // ms between two paintings of what stands still
const HEAVY = 12; // ms; frames that take longer for half a second halve the rate

class LiveMap {
  constructor(root) {
    this.root = root;
    this.base = root.querySelector('[data-map-base]');
    this.top = root.querySelector('[data-map-top]');
    this.stage = this.base.parentElement;
    this.theme = readTheme();
    this.motion = matchMedia('(prefers-reduced-motion: reduce)');
    this.reduced = this.motion.matches;
    this.internal = false;
    this.glide = new Glide();
    this.scale = new Scale();
    this.diffuser = new Diffuser();
    this.dots = [];
    this.span = 50;
    this.spanTarget = 50;
    this.rate = 0; // records a second over all links
    this.focus = null;
    this.dirty = true;
    this.structure = true;
    this.slow = 0;
    this.halved = false;
    this.drawn = { frames: 0, ms: 0, worst: 0 };
    this.changes = new Changes();
    this.keys = new Keys(this);
    this.listen();
    this.request();
  }

  listen() {
    const changed = () => {
      this.structure = true;
      this.request();
    };
    live.on('hello', () => {
      this.dots = [];
      this.diffuser = new Diffuser();
      changed();
    });
    live.on('patch', changed);
    live.on('frame', (f) => this.frame(f));
    setInterval(() => live.paused && this.legend(), 1000); // the picture stands, what it misses is counted
    live.on('pause', () => {
      this.dots = [];
      this.legend();
      this.dirty = true;
      this.request();
    });
    live.on('visible', (visible) => {
      this.dots = [];
      if (visible) changed();
    });
    new ResizeObserver(changed).observe(this.stage);
    onThemeChange(() => {
      this.theme = readTheme();
      changed();
    });
    this.motion.addEventListener('change', () => {
      this.reduced = this.motion.matches;
      this.dots = [];
      changed();
    });
    const internal = this.root.querySelector('[data-map-internal]');
    internal?.addEventListener('change', () => {
      this.internal = internal.checked;
      changed();
    });
  }

  /** A frame of counters: it becomes dots, now and over the span of the frame. */
  frame(f) {
    const now = performance.now();
    let records = 0;
    for (const d of f.links) records += d.records;
    for (const d of f.replicas) records += this.shown(d.id) ? d.records : 0;
    const share = 1 - Math.exp(-f.window / 1000);
    if (f.window > 0) this.rate += ((records * 1000) / f.window - this.rate) * share;
    if (this.lay && !f.caughtUp) {
      if (this.scale.update(this.rate, now)) this.changedScale();
      if (!this.reduced && document.visibilityState === 'visible') this.emit(f, now);
    }
    this.wanted = spanFor(live.model, this.scene ?? buildScene(live.model), f.time);
    this.chooseSpan(now);
    this.dirty = true;
    if (!this.reduced || now - (this.baseAt ?? 0) >= 1000) this.request(); // once a second where motion is not wanted
  }

  /** The common scale of the logs changes when another one fits better for two seconds. */
  chooseSpan(now) {
    if (this.wanted === this.spanTarget) {
      this.spanSince = null;
      return;
    }
    this.spanSince ??= now;
    const grows = this.wanted > this.spanTarget;
    if (now - this.spanSince < (grows ? 1500 : 5000)) return;
    this.spanTarget = this.wanted;
    this.spanSince = null;
    this.legend();
  }

  emit(f, now) {
    const n = this.scale.n;
    for (const d of f.links) {
      const link = live.model.links.get(d.id);
      const dots = this.diffuser.add(d.id, d.records, n);
      const bundle = link && this.byLink?.get(d.id);
      if (!dots || !bundle) continue;
      const path = this.pathFor(bundle, link);
      const colour = linkColour(this.view, bundle);
      for (let i = 0; i < dots; i++) {
        this.dots.push({ path, colour, bundle, at: now + offsetInSlot(i, dots, d.id) * Math.min(f.window, 400) });
      }
    }
    const flowed = new Map(); // records by way: where several replicas share one, they share its dots
    for (const d of f.replicas) {
      const way = this.shown(d.id) && this.byReplica?.get(d.id);
      if (way) flowed.set(way, (flowed.get(way) ?? 0) + d.records);
    }
    for (const [way, records] of flowed) {
      const dots = this.diffuser.add(way.key, records, n);
      for (let i = 0; i < dots; i++) {
        this.dots.push({ path: way.path, colour: this.theme.replicate, way, at: now + offsetInSlot(i, dots, way.reps[0].id) * Math.min(f.window, 400) });
      }
    }
  }

  /** Whether the flow to a replica is in the picture: that of internal topics is not, mostly. */
  shown(replica) {
    const r = live.model.replicas.get(replica);
    return r !== undefined && (this.internal || !live.model.topicOf(r.part)?.internal);
  }

  pathFor(bundle, link) {
    const row = bundle.target.lane ? bundle.target : null;
    if (!row) return bundlePath(this.lay, bundle, 0);
    if (bundle.direction === 'p') return bundlePath(this.lay, bundle, landing(row));
    const p = row.part;
    let from = landing(row);
    const group = bundle.node.node.group;
    if (group) {
      for (const l of live.model.lags.values()) {
        if (l.g === group.id && l.p === p.id && l.committed >= 0) from = placeOf(row, p.hw, this.span, l.committed);
      }
    }
    return bundlePath(this.lay, bundle, Math.max(row.lane.x, Math.min(from, landing(row))));
  }

  changedScale() {
    this.legend();
    this.root.querySelector('[data-map-legend]')?.animate?.([{ opacity: 0.3 }, { opacity: 1 }], { duration: 500 });
    live.dispatchEvent(new CustomEvent('note', { detail: { text: `The picture now draws 1 dot for ${count(this.scale.n)} ${this.scale.n === 1 ? 'record' : 'records'}` } }));
  }

  legend() {
    const dot = this.root.querySelector('[data-map-legend]');
    if (dot) dot.textContent = this.reduced ? 'no dots: reduced motion' : `1 dot = ${count(this.scale.n)} ${this.scale.n === 1 ? 'record' : 'records'}`;
    const scale = this.root.querySelector('[data-map-scale]');
    if (!scale) return;
    const top = `${short(this.topShown ?? 0)} records/s`;
    const words = {
      logs: `each log shows its newest ${count(this.spanTarget)} offsets`,
      strips: `up to ${top} in each partition`,
      heat: `one cell for a partition, up to ${top}`,
      topics: `one cell for a topic, its busiest partition, up to ${top}`,
    };
    this.root.dataset.mapLevel = this.scene?.partitions ? this.lay.level : 'none';
    const tail = this.halved ? ' · drawing at 30 frames a second' : '';
    let text = (this.scene?.partitions ? words[this.lay.level] : '') + tail;
    if (live.paused) text = live.behind ? `paused, ${count(live.behind)} records behind` : 'paused';
    if (scale.textContent !== text) scale.textContent = text;
  }

  /** Places everything anew; the canvas takes the height that it needs. */
  arrange() {
    this.structure = false;
    this.scene = buildScene(live.model, { internal: this.internal });
    const width = Math.floor(this.stage.clientWidth);
    const probe = this.top.getContext('2d');
    probe.font = `500 11.5px ${this.theme.font}`;
    this.lay = layout(this.scene, width, {
      topicName: (p) => live.model.topicOf(p)?.name ?? '?',
      measure: (s) => probe.measureText(s).width,
    });
    this.stage.style.height = `${this.lay.height}px`;
    const dpr = Math.min(2, devicePixelRatio || 1);
    for (const canvas of [this.base, this.top]) {
      const [w, h] = [Math.round(width * dpr), Math.round(this.lay.height * dpr)];
      if (canvas.width !== w || canvas.height !== h) {
        canvas.width = w;
        canvas.height = h;
        canvas.style.width = `${width}px`;
        canvas.style.height = `${this.lay.height}px`;
      }
    }
    this.dpr = dpr;
    this.bundles = bundles(this.lay, this.scene, live.model);
    this.byLink = new Map();
    for (const b of this.bundles.values()) for (const l of b.links) this.byLink.set(l.id, b);
    this.ways = replications(this.lay);
    this.byReplica = new Map();
    for (const way of this.ways.values()) for (const r of way.reps) this.byReplica.set(r.id, way);
    for (const id of this.diffuser.rest.keys()) if (!live.model.links.has(id) && !this.ways.has(id)) this.diffuser.forget(id);
    this.changes.compare(this.lay, performance.now());
    this.glide.forget((id) => live.model.partitions.has(id));
    this.dots = [];
    this.keys.arrange();
    this.dirty = true;
    this.legend();
  }

  get view() {
    return {
      lay: this.lay, scene: this.scene, model: live.model, theme: this.theme, now: live.model.time, bundles: this.bundles, ways: this.ways,
      focus: this.focus, span: this.span, n: this.scale.n, reduced: this.reduced, top: this.topShown ?? 0,
    };
  }

  setFocus(keys) {
    this.focus = keys;
    this.dirty = true;
    this.request();
  }

  request() {
    if (!this.waiting) {
      this.waiting = true;
      requestAnimationFrame((t) => this.draw(t));
    }
  }

  draw(now) {
    this.waiting = false;
    const began = performance.now();
    const dt = Math.min(100, now - (this.last ?? now - 16));
    this.last = now;
    if (this.structure && live.model.time) this.arrange();
    if (!this.lay) return;
    if (this.halved && (this.odd = !this.odd)) {
      this.request();
      return;
    }
    if (this.dirty && (now - (this.baseAt ?? -1e9) >= BASE_EVERY || this.focus !== this.baseFocus)) this.drawBase(now);
    const moving = this.drawTop(now, dt);
    this.budget(performance.now() - began);
    if (moving || (this.dirty && !this.reduced)) this.request();
  }

  drawBase(now) {
    this.baseAt = now;
    this.baseFocus = this.focus;
    this.dirty = false;
    const ctx = this.base.getContext('2d');
    ctx.setTransform(this.dpr, 0, 0, this.dpr, 0, 0);
    ctx.clearRect(0, 0, this.lay.width, this.lay.height);
    if (this.lay.level !== 'logs') {
      const top = topRate(this.view);
      this.topShown = Math.max(top, (this.topShown ?? 0) * 0.98);
      this.legend();
    }
    paintBase({ ...this.view, ctx });
  }

  drawTop(now, dt) {
    const ctx = this.top.getContext('2d');
    ctx.setTransform(this.dpr, 0, 0, this.dpr, 0, 0);
    ctx.clearRect(0, 0, this.lay.width, this.lay.height);
    let moving = false;
    if (this.lay.level === 'logs') {
      if (this.span !== this.spanTarget) {
        const k = this.reduced ? 1 : 1 - Math.exp(-dt / 180);
        this.span = Math.exp(Math.log(this.span) + (Math.log(this.spanTarget) - Math.log(this.span)) * k);
        if (Math.abs(this.span / this.spanTarget - 1) < 0.005) this.span = this.spanTarget;
        moving = true;
      }
      moving = paintLanes({ ...this.view, ctx, span: this.span }, this.glide, this.reduced ? 0 : dt) || moving;
    }
    moving = this.changes.draw({ ...this.view, ctx }, performance.now()) || moving;
    return this.drawDots(ctx, now) || (moving && !live.paused);
  }

  drawDots(ctx, now) {
    if (live.paused || !this.dots.length) return false;
    const byColour = new Map();
    let kept = 0;
    for (const d of this.dots) {
      const t = (now - d.at) / FLIGHT;
      if (t >= 1) continue;
      this.dots[kept++] = d;
      if (t < 0) continue;
      const weak = d.way ? dimWay(this.focus, d.way) : dimBundle(this.focus, d.bundle);
      const key = weak ? `~${d.colour}` : d.colour;
      if (!byColour.has(key)) byColour.set(key, []);
      byColour.get(key).push(along(d.path, t));
    }
    this.dots.length = kept;
    const discs = (points, r) => {
      ctx.beginPath();
      for (const [x, y] of points) {
        ctx.moveTo(x + r, y);
        ctx.arc(x, y, r, 0, 7);
      }
      ctx.fill();
    };
    for (const [key, points] of byColour) {
      const weak = key[0] === '~';
      ctx.globalAlpha = weak ? 0.15 : 1;
      if (!weak) {
        ctx.fillStyle = this.theme.surface;
        discs(points, 4);
      }
      ctx.fillStyle = weak ? key.slice(1) : key;
      discs(points, 3);
    }
    ctx.globalAlpha = 1;
    return kept > 0;
  }

  /** Sheds half of the frames where drawing takes too long, and says so. */
  budget(ms) {
    this.drawn.frames++;
    this.drawn.ms += ms;
    this.drawn.worst = Math.max(this.drawn.worst, ms);
    this.slow = ms > HEAVY ? this.slow + 1 : Math.max(0, this.slow - 1);
    if (!this.halved && this.slow >= 30) {
      this.halved = true;
      this.legend();
    } else if (this.halved && this.slow === 0) {
      this.halved = false;
      this.legend();
    }
  }

  /** What the card tells of the thing with that key. */
  facts(thing) {
    const { model } = live;
    const now = model.time;
    if (thing.kind === 'broker') {
      return [`Broker ${thing.card.id}`, [...brokerFacts(this.view, thing.card),
        ['in', `${short(thing.card.broker.inRate.at(now))} records/s`], ['out', `${short(thing.card.broker.outRate.at(now))} records/s`]]];
    }
    if (thing.kind === 'partition') {
      const p = thing.part;
      const rows = [
        ['leader', p.leader < 0 ? 'none' : `broker ${p.leader} (epoch ${p.epoch})`],
        ['offsets', `${count(p.start)} to ${count(p.hw)}${p.end > p.hw ? `, end ${count(p.end)}` : ''}`],
        ['in', `${short(p.inRate.at(now))} records/s`], ['out', `${short(p.outRate.at(now))} records/s`],
      ];
      if (p.replicas.length > 1) rows.push(['in sync', `${inSync(p)} of ${p.replicas.length}`]);
      for (const r of p.replicas) {
        if (r.b !== p.leader) rows.push([`broker ${r.b}`, followerWords(p, r, now)]);
      }
      for (const l of model.lags.values()) {
        if (l.p === p.id) rows.push([`${model.groups.get(l.g)?.name ?? 'group'}`, l.committed < 0 ? 'nothing committed' : `at ${count(l.committed)}, lag ${count(l.lag)}`]);
      }
      return [model.nameOf(p), rows];
    }
    return this.nodeFacts(thing.node, now);
  }

  nodeFacts(placedNode, now) {
    const { model } = live;
    const n = placedNode.node;
    let rate = 0;
    let records = 0;
    for (const l of model.links.values()) {
      if (!placedNode.keys.includes(this.scene.ends.get(l.id))) continue;
      rate += l.rate.at(now);
      records += l.n;
    }
    const rows = [];
    if (n.group) {
      rows.push(['state', n.group.state || '–'], ['generation', count(n.group.generation ?? 0)],
        ['members', count(n.group.members.length)], ['lag', count(model.lagOf(n.group.id))]);
    } else if (n.client) {
      rows.push(['software', n.client.software || 'not told'], ['connected', n.client.connected ? 'yes' : 'no']);
    }
    rows.push(['flow', `${short(rate)} records/s`], ['records so far', count(records)]);
    if (n.shared > 1) rows.push(['note', `client id of members of ${n.shared} groups: the flow cannot be told apart`]);
    return [n.name, rows];
  }

  colourOf(placedNode) {
    return placedNode.node.group ? groupColour(this.theme, placedNode.node) : null;
  }
}

/** How a follower is. */
function followerWords(p, r, now) {
  if (r.offline) return 'offline';
  const behind = Math.max(0, p.end - r.end);
  if (r.sync) return behind > 100 ? `in sync, ${count(behind)} behind` : 'in sync';
  const rate = r.rate.at(now);
  return `out of sync, ${count(behind)} behind${rate > 0 ? `, ${short(rate)}/s` : ''}`;
}

for (const root of document.querySelectorAll('[data-map]')) {
  const map = new LiveMap(root);
  root.logariumMap = map; // for whoever measures it
}

// Pause, for everything that moves on the page: the button and the key p.
const pauses = document.querySelectorAll('[data-pause]');
const showPause = () => {
  for (const b of pauses) {
    b.setAttribute('aria-pressed', String(live.paused));
    b.querySelector('[data-pause-label]').textContent = live.paused ? 'Resume' : 'Pause';
  }
};
for (const b of pauses) b.addEventListener('click', () => live.setPaused(!live.paused));
live.on('pause', showPause);
document.addEventListener('keydown', (e) => {
  if (e.key !== 'p' || e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, textarea, select, [contenteditable]')) return;
  live.setPaused(!live.paused);
});
showPause();
