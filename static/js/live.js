// The live stream of this tab: one EventSource, whatever the page shows.
//
// An element with data-live="view=cluster&latest=1" says what the page wants;
// without one, the page gets state events alone, which tell htmx when to ask
// for a list again (logarium:topics, logarium:groups, logarium:brokers on
// body). Elements with data-v show a number that this module keeps fresh.

import { decodeFrame, mergeFrames } from './decode.js';
import { Model } from './model.js';
import { bytes, count, micros, short } from './numbers.js';

const SCHEMA = 2;
const QUIET = 25_000; // a stream that says nothing for so long is dead
const HIDDEN = 30_000; // a tab that nobody sees keeps its stream so long
const NUMBERS = 250; // ms between two updates of the numbers
const PAUSED_KEY = 'logarium.paused';

/** Live is the page's end of the stream. Use the one that is exported below. */
class Live extends EventTarget {
  model = new Model();
  status = 'connecting'; // connecting, live, lost
  paused = false;
  lastSeq = 0; // newest state event seen
  #source = null;
  #query = '';
  #seen = 0;
  #tries = 0;
  #build = null;
  #reopen = 0;
  #hide = 0;
  #held = null; // merged frame while paused
  #heldRest = []; // patches, events and records while paused

  start() {
    this.#query = document.querySelector('[data-live]')?.dataset.live ?? 'view=events';
    try {
      this.paused = localStorage.getItem(PAUSED_KEY) === '1' && this.wantsFrames;
    } catch { /* no storage: begin unpaused */ }
    document.addEventListener('visibilitychange', () => this.#visibility());
    addEventListener('pagehide', () => this.#close());
    // A browser allows six connections to one server without TLS, for all tabs
    // together: a tab that opens asks those that nobody sees for theirs.
    const tabs = new BroadcastChannel('logarium');
    tabs.onmessage = () => document.visibilityState === 'hidden' && this.#close();
    if (document.visibilityState === 'visible') tabs.postMessage('open');
    addEventListener('pageshow', (e) => e.persisted && this.#open());
    setInterval(() => this.#watch(), 5000);
    if (document.visibilityState === 'visible') this.#open();
    else this.#visibility();
  }

  /** Whether this page shows more than lists. */
  get wantsFrames() {
    return !this.#query.includes('view=events');
  }

  /** Calls fn with the detail of every event of that type. */
  on(type, fn) {
    this.addEventListener(type, (e) => fn(e.detail));
  }

  /** How many records arrived since the picture was paused. */
  get behind() {
    return this.#held ? this.#held.brokers.reduce((n, b) => n + b.in, 0) : 0;
  }

  setPaused(paused) {
    if (paused === this.paused) return;
    this.paused = paused;
    try {
      localStorage.setItem(PAUSED_KEY, paused ? '1' : '0');
    } catch { /* not kept, then */ }
    if (!paused) {
      const rest = this.#heldRest;
      const frame = this.#held;
      this.#heldRest = [];
      this.#held = null;
      for (const [type, detail] of rest) this.#take(type, detail);
      if (frame) this.#frame(frame, true);
    }
    this.#emit('pause', paused);
  }

  #open() {
    this.#close();
    const after = this.lastSeq ? `&after=${this.lastSeq}` : '';
    const source = new EventSource(`/live?${this.#query}${after}`);
    this.#source = source;
    this.#seen = performance.now();
    const on = (type, fn) => source.addEventListener(type, (e) => {
      this.#seen = performance.now();
      if (Number(e.lastEventId) > 0) this.lastSeq = Number(e.lastEventId);
      fn(e.data);
    });
    source.onopen = () => this.#setStatus('live');
    source.onerror = () => {
      this.#setStatus(source.readyState === EventSource.CLOSED ? 'lost' : 'connecting');
      if (source.readyState === EventSource.CLOSED) this.#later();
    };
    on('ping', () => {});
    on('hello', (data) => this.#hello(JSON.parse(data)));
    on('frame', (data) => {
      const f = decodeFrame(data);
      if (this.paused) this.#held = this.#held ? mergeFrames(this.#held, f) : f;
      else this.#frame(f, false);
    });
    for (const type of ['patch', 'state', 'burst', 'record']) {
      on(type, (data) => {
        const detail = JSON.parse(data);
        if (this.paused) this.#hold(type, detail);
        else this.#take(type, detail);
      });
    }
  }

  #close() {
    clearTimeout(this.#reopen);
    this.#source?.close();
    this.#source = null;
  }

  /** Tries again, later each time: a browser does not after an answer like 503. */
  #later() {
    this.#close();
    const wait = Math.min(30_000, 2000 * 2 ** this.#tries++) * (0.75 + Math.random() / 2);
    this.#reopen = setTimeout(() => this.#open(), wait);
  }

  #watch() {
    if (this.#source && performance.now() - this.#seen > QUIET) {
      this.#setStatus('lost');
      this.#open();
    }
  }

  #visibility() {
    clearTimeout(this.#hide);
    if (document.visibilityState === 'hidden') {
      this.#hide = setTimeout(() => this.#close(), HIDDEN);
    } else if (!this.#source) {
      this.#open();
    }
    this.#emit('visible', document.visibilityState === 'visible');
  }

  #setStatus(status) {
    if (status === 'live') this.#tries = 0;
    if (status === this.status) return;
    this.status = status;
    this.#emit('status', status);
  }

  #hello(m) {
    if (m.schema !== SCHEMA || (this.#build !== null && m.build !== this.#build)) {
      this.#close();
      this.#emit('outdated', m.build);
      return;
    }
    this.#build = m.build ?? '';
    this.#held = null;
    this.#heldRest = this.#heldRest.filter(([type]) => type !== 'patch');
    this.#setStatus('live');
    this.model.hello(m);
    this.#emit('hello', m);
  }

  #hold(type, detail) {
    this.#heldRest.push([type, detail]);
    if (this.#heldRest.length > 2000) {
      // Structure must not be lost; the oldest words may be.
      const i = this.#heldRest.findIndex(([t]) => t !== 'patch');
      if (i >= 0) this.#heldRest.splice(i, 1);
    }
    if (type === 'state') announce(detail);
  }

  #take(type, detail) {
    if (type === 'patch') this.model.patch(detail);
    this.#emit(type, detail);
    if (type === 'state') announce(detail);
    if (type === 'burst') for (const list of ['topics', 'groups', 'brokers']) tell(list);
  }

  #frame(f, caughtUp) {
    this.model.frame(f);
    this.#emit('frame', Object.assign(f, { caughtUp }));
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Which lists a kind of state event makes stale. */
const STALE = [
  [/^(topic|partitions|config)\./, ['topics']],
  [/^(leader|isr)\./, ['topics', 'brokers']],
  [/^(group|member|assignment|offsets)\./, ['groups']],
  [/^(broker|controller)\./, ['brokers', 'topics']],
];

function announce(e) {
  for (const [kind, lists] of STALE) if (kind.test(e.kind)) lists.forEach(tell);
}

const APART = 150; // ms between two asks for one list: a change shows within 250
const told = new Map(); // when each list was last told of
const pending = new Set();

/** Dispatches logarium:<list>: at once if it was quiet, else when it may; the last one always. */
function tell(list) {
  if (pending.has(list)) return;
  pending.add(list);
  const wait = (told.get(list) ?? -APART) + APART - performance.now();
  setTimeout(() => {
    pending.delete(list);
    told.set(list, performance.now());
    document.body.dispatchEvent(new CustomEvent(`logarium:${list}`));
  }, Math.max(20, wait));
}

/** The stream of this page. */
export const live = new Live();

// Numbers.

const recent = []; // rows of the last second, for the rates of the whole cluster
let latency = null;
const FIELD = { time: 0, span: 1, in: 2, out: 3, bytesIn: 4, bytesOut: 5, lag: 6, produceN: 7, produce99: 9 };

live.on('frame', (f) => {
  for (const row of f.fine) if (row[FIELD.in] !== null) recent.push(row);
  while (recent.length > 1 && recent.at(-1)[FIELD.time] - recent[0][FIELD.time] >= 1000) recent.shift();
  for (const row of f.second) latency = row[FIELD.produceN] ? row[FIELD.produce99] : null;
});

function overLastSecond(field) {
  let n = 0;
  let ms = 0;
  for (const row of recent) {
    n += row[FIELD[field]];
    ms += row[FIELD.span];
  }
  return ms ? (n * 1000) / ms : 0;
}

const own = (list, fn) => [...list.values()].reduce((n, x) => n + fn(x), 0);
const external = (p) => !live.model.topicOf(p)?.internal;
const isUp = (b) => (b.up && !b.fenced ? 1 : 0);
const isOffline = (p) => (p.leader < 0 ? 1 : 0);
const isUnder = (p) => (p.replicas.some((r) => !r.sync || r.offline) ? 1 : 0);

/** What data-v names for the whole cluster. */
const CLUSTER = {
  brokers: (m) => count(own(m.brokers, isUp)),
  brokersAll: (m) => count(m.brokers.size),
  topics: (m) => count(own(m.topics, (t) => (t.internal ? 0 : 1))),
  partitions: (m) => count(own(m.partitions, (p) => (external(p) ? 1 : 0))),
  partitionsAll: (m) => count(m.partitions.size),
  under: (m) => count(own(m.partitions, isUnder)),
  offline: (m) => count(own(m.partitions, isOffline)),
  controller: (m) => (m.controller < 0 ? 'none' : `Broker ${m.controller}`),
  replicated: (m) => short(own(m.replicas, (r) => (external(r.part) ? r.rate.at(m.time) : 0))),
  in: () => short(overLastSecond('in')),
  out: () => short(overLastSecond('out')),
  bytesIn: () => `${bytes(overLastSecond('bytesIn'))}/s`,
  bytesOut: () => `${bytes(overLastSecond('bytesOut'))}/s`,
  lag: () => count(recent.at(-1)?.[FIELD.lag] ?? 0),
  p99: () => micros(latency),
};

/** Figures that are bad unless they are as they should be: their tile says so. */
const BAD = {
  brokers: (m) => own(m.brokers, isUp) < m.brokers.size,
  under: (m) => own(m.partitions, isUnder) > 0,
  offline: (m) => own(m.partitions, isOffline) > 0,
  controller: (m) => m.controller < 0,
};

/**
 * What data-v names with data-topic (and data-partition), data-group, or
 * data-broker on the same element.
 */
function scoped(el, m, now) {
  const { v, topic, partition, group, broker } = el.dataset;
  if (broker !== undefined) return ofBroker(v, m.brokers.get(Number(broker)), now);
  const parts = topic === undefined ? null : [...m.partitions.values()].filter((p) => m.topicOf(p)?.name === topic
    && (partition === undefined || p.p === Number(partition)));
  if (group !== undefined) {
    const ids = parts && new Set(parts.map((p) => p.id));
    const lags = [...m.lags.values()].filter((l) => m.groups.get(l.g)?.name === group && (!ids || ids.has(l.p)));
    if (v === 'lag') return count(lags.reduce((n, l) => n + l.lag, 0));
    if (v === 'committed' && lags.length === 1) return lags[0].committed < 0 ? '–' : count(lags[0].committed);
    return null;
  }
  if (!parts?.length) return null;
  const sum = (fn) => parts.reduce((n, p) => n + fn(p), 0);
  switch (v) {
    case 'start': return count(parts[0].start);
    case 'hw': return count(parts[0].hw);
    case 'end': return count(parts[0].end);
    case 'records': return count(sum((p) => p.hw - p.start));
    case 'rateIn': return short(sum((p) => p.inRate.at(now)));
    case 'rateOut': return short(sum((p) => p.outRate.at(now)));
    default: return null;
  }
}

function ofBroker(v, b, now) {
  if (!b) return null;
  switch (v) {
    case 'rateIn': return short(b.inRate.at(now));
    case 'rateOut': return short(b.outRate.at(now));
    case 'connections': return count(b.connections);
    case 'size': return bytes(b.size);
    default: return null;
  }
}

function refreshNumbers() {
  if (live.paused || live.status !== 'live' || !recent.length) return;
  for (const el of document.querySelectorAll('[data-v]')) {
    const d = el.dataset;
    const plain = d.topic === undefined && d.group === undefined && d.broker === undefined;
    const text = plain ? CLUSTER[d.v]?.(live.model) : scoped(el, live.model, live.model.time);
    if (text !== null && text !== undefined && el.textContent !== text) el.textContent = text;
    if (plain && BAD[d.v]) el.closest('.tile')?.classList.toggle('warn', BAD[d.v](live.model));
  }
}

// What the page shows of the stream itself.

const WORDS = {
  connecting: 'connecting…', live: 'live', lost: 'not live: trying again',
};

function showStatus() {
  for (const el of document.querySelectorAll('[data-live-status]')) {
    el.dataset.liveStatus = live.paused ? 'paused' : live.status;
    el.textContent = live.paused ? 'paused' : WORDS[live.status];
  }
}

live.on('status', showStatus);
live.on('pause', showStatus);
live.on('outdated', () => {
  const note = document.createElement('div');
  note.className = 'banner warn';
  note.setAttribute('role', 'status');
  note.append('The console was restarted with another version. ');
  const again = document.createElement('a');
  again.href = location.href;
  again.textContent = 'Load this page again';
  note.append(again);
  document.querySelector('.main')?.prepend(note);
});

live.start();
showStatus();
setInterval(refreshNumbers, NUMBERS);
