// The map for the keyboard and the pointer: a real link lies over every broker,
// partition and group, a button over every client. One of them takes part in
// the tab order; the arrow keys go to the nearest in their direction. The one
// that has the focus or the pointer shows a card with the true numbers.

import { live } from './live.js';
import { segment } from './numbers.js';

const MOST = 240; // beyond that many partitions only the card follows the pointer

export class Keys {
  constructor(map) {
    this.map = map;
    this.layer = map.root.querySelector('[data-map-keys]');
    this.card = map.root.querySelector('[data-map-card]');
    this.things = new Map(); // element -> thing
    this.elements = new Map(); // key -> element
    this.current = null;
    this.layer.addEventListener('focusin', (e) => this.show(this.things.get(e.target), false));
    this.layer.addEventListener('focusout', () => this.show(null));
    this.layer.addEventListener('keydown', (e) => this.arrow(e));
    map.stage.addEventListener('pointermove', (e) => this.point(e));
    map.stage.addEventListener('pointerleave', () => this.show(null));
    map.stage.addEventListener('click', (e) => this.click(e));
    live.on('frame', () => {
      if (this.current && !(this.skip = !this.skip)) this.fill();
    });
  }

  /** Lays the elements where the layout put what they stand for. */
  arrange() {
    const wanted = new Map();
    const { lay } = this.map;
    for (const n of lay.producers) wanted.set(`n${n.keys[0]}`, this.nodeThing(n, 'producer'));
    for (const b of lay.brokers) {
      wanted.set(`b${b.id}`, {
        kind: 'broker', card: b, box: { x: b.x, y: b.y, w: b.w, h: b.head }, keys: [`b${b.id}`, ...b.parts.map((p) => `t${p.id}`),
          ...this.reach((l) => l.target === b || l.target.card === b)],
        label: `Broker ${b.id}, ${b.broker.up && !b.broker.fenced ? `leads ${b.parts.length}, follows ${b.follows.length}` : b.broker.fenced ? `${b.broker.state}, fenced` : b.broker.state}`, href: `/brokers/${b.id}`,
      });
      const places = lay.rows.size ? lay.rows : lay.cells;
      for (const p of places.size <= MOST ? b.parts : []) {
        const box = places.get(p.id);
        if (box) wanted.set(`t${p.id}`, this.partitionThing(p, box));
      }
    }
    for (const n of lay.consumers) wanted.set(`n${n.keys[0]}`, this.nodeThing(n, 'consumer'));
    for (const [key, el] of this.elements) {
      if (wanted.has(key) && (el.tagName === 'A') === Boolean(wanted.get(key).href)) continue;
      this.things.delete(el);
      this.elements.delete(key);
      el.remove();
    }
    let before = null;
    for (const [key, thing] of wanted) {
      let el = this.elements.get(key);
      if (!el) {
        el = document.createElement(thing.href ? 'a' : 'button');
        if (!thing.href) el.type = 'button';
        el.tabIndex = -1;
        this.elements.set(key, el);
      }
      if (thing.href) el.setAttribute('href', thing.href);
      if (el.getAttribute('aria-label') !== thing.label) el.setAttribute('aria-label', thing.label);
      this.things.set(el, thing);
      Object.assign(el.style, {
        left: `${thing.box.x}px`, top: `${thing.box.y}px`, width: `${thing.box.w}px`, height: `${thing.box.h}px`,
      });
      const next = before ? before.nextSibling : this.layer.firstChild;
      if (el !== next) this.layer.insertBefore(el, next);
      before = el;
    }
    if (!this.layer.querySelector('[tabindex="0"]') && this.layer.firstElementChild) this.layer.firstElementChild.tabIndex = 0;
  }

  partitionThing(p, box) {
    const name = live.model.nameOf(p);
    return {
      kind: 'partition', part: p, box, keys: [`t${p.id}`, ...this.reach((b) => b.target.part?.id === p.id)],
      label: `Partition ${name}, ${p.leader < 0 ? 'no leader' : `led by broker ${p.leader}`}`,
      href: `/topics/${segment(live.model.topicOf(p)?.name ?? '')}`,
    };
  }

  nodeThing(n, role) {
    const group = n.node.group;
    return {
      kind: 'node', node: n, box: n, keys: [...n.keys, ...this.reach((b) => b.node === n)],
      label: group ? `Consumer group ${n.node.name}, ${group.members.length} members` : `${role} ${n.node.name}`,
      href: group ? `/groups/${segment(n.node.name)}` : null,
    };
  }

  /** Both ends of the flows that match. */
  reach(match) {
    const out = [];
    for (const b of this.map.bundles.values()) if (match(b)) out.push(b.end, ...b.node.keys);
    return out;
  }

  point(e) {
    const el = e.target.closest?.('[data-map-keys] > *');
    if (el) {
      this.show(this.things.get(el), true);
      return;
    }
    this.show(this.cellAt(e), true);
  }

  /** The follower or heat cell under the pointer: there are too many for an element each. */
  cellAt(e) {
    const { lay } = this.map;
    if (!lay) return null;
    const r = this.map.stage.getBoundingClientRect();
    const [x, y] = [e.clientX - r.left, e.clientY - r.top];
    for (const c of lay.followers.values()) {
      if (x >= c.x - 2 && x <= c.x + c.w + 2 && y >= c.y && y <= c.y + c.h) return this.partitionThing(c.part, c);
    }
    for (const c of lay.cells.size > MOST ? lay.cells.values() : []) {
      if (x >= c.x && x <= c.x + c.w && y >= c.y && y <= c.y + c.h) return this.partitionThing(c.part, c);
    }
    return null;
  }

  click(e) {
    const thing = this.cellAt(e);
    if (thing && !e.target.closest('a, button')) location.assign(thing.href);
  }

  show(thing) {
    if (!thing) {
      if (!this.current) return;
      this.current = null;
      this.card.hidden = true;
      this.map.setFocus(null);
      return;
    }
    const same = this.current && this.current.keys[0] === thing.keys[0];
    this.current = thing;
    if (same) return;
    this.map.setFocus(new Set(thing.keys));
    this.fill();
    this.card.hidden = false;
    this.place();
  }

  fill() {
    const [title, rows] = this.map.facts(this.current);
    const list = document.createElement('dl');
    for (const [name, value] of rows) {
      const dt = document.createElement('dt');
      dt.textContent = name;
      const dd = document.createElement('dd');
      dd.textContent = value;
      list.append(dt, dd);
    }
    const head = document.createElement('strong');
    head.textContent = title;
    this.card.replaceChildren(head, list);
  }

  /** Beside the thing, inside the map. */
  place() {
    const { box } = this.current;
    const { width, height } = this.map.lay;
    const [w, h] = [this.card.offsetWidth, this.card.offsetHeight];
    const wide = box.w > width / 3; // a row: the card goes under it, clear of both sides' clients
    let x = wide ? box.x + box.w / 2 - w / 2 : box.x + box.w + 10;
    if (x + w > width) x = box.x - w - 10;
    if (x < 0) x = Math.max(4, Math.min(width - w - 4, box.x + 12));
    let y = box.y;
    if (x + w > box.x && x < box.x + box.w) y = box.y + box.h + 6;
    if (y + h > height) y = Math.max(4, Math.min(height - h - 4, box.y - h - 8));
    Object.assign(this.card.style, { left: `${Math.round(x)}px`, top: `${Math.round(y)}px` });
  }

  arrow(e) {
    if (e.key === 'Escape') {
      this.show(null);
      return;
    }
    const dir = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[e.key];
    if (!dir) return;
    e.preventDefault();
    const from = middle(this.things.get(e.target).box);
    let best = null;
    let bestCost = Infinity;
    for (const [el, thing] of this.things) {
      const to = middle(thing.box);
      const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
      const ahead = dx * dir[0] + dy * dir[1];
      if (el === e.target || ahead <= 1) continue;
      const aside = Math.abs(dx * dir[1]) + Math.abs(dy * dir[0]);
      const cost = ahead + aside * 2.5;
      if (cost < bestCost) [best, bestCost] = [el, cost];
    }
    if (!best) return;
    e.target.tabIndex = -1;
    best.tabIndex = 0;
    best.focus({ preventScroll: false });
  }
}

const middle = (b) => [b.x + Math.min(b.w, 40) / 2, b.y + b.h / 2];
