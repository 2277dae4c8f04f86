// The lists of the overview: state events, the newest messages, the lag of the
// groups, and the table that says what the map draws.

import { inSync } from './followers.js';
import { live } from './live.js';
import { bytes, clock, count, segment, short } from './numbers.js';

const EVENTS = 60;
const MESSAGES = 40;

function node(tag, className, text) {
  const el = document.createElement(tag);
  if (className) el.className = className;
  if (text !== undefined) el.textContent = text;
  return el;
}

function anchor(className, href, text) {
  const a = node('a', className, text);
  a.href = href;
  return a;
}

function keep(list, most) {
  while (list.children.length > most) list.lastElementChild.remove();
}

// State events. A screen reader hears them at most every two seconds.

const events = document.querySelector('[data-events]');
const spoken = document.querySelector('[data-spoken]');
const seen = new Set();
let unspoken = [];
let speaking = 0;

// One change of a broker brings many events of these kinds at once: those that
// come together become one line, as the server folds them.
const FOLDED = new Set(['leader.elected', 'isr.shrunk', 'isr.expanded', 'follower.started', 'log.truncated', 'log.recovered']);
const TOGETHER = 2000; // ms
let last = null;

function addEvent(time, text, kind, { say = true, broker = null } = {}) {
  if (!events) return;
  document.querySelector('[data-events-empty]')?.remove();
  if (last && FOLDED.has(kind) && last.kind === kind && last.broker === broker && time - last.time < TOGETHER && last.span.isConnected) {
    last.more++;
    last.span.textContent = `${last.text} · and ${last.more} more`;
    return;
  }
  const li = node('li', `event ${kind.split('.')[0]}`);
  const t = node('time', '', clock(time));
  t.dateTime = new Date(time).toISOString();
  const span = node('span', '', text);
  li.append(t, span);
  last = { kind, broker, time, text, span, more: 0 };
  events.prepend(li);
  keep(events, EVENTS);
  if (!say) return;
  unspoken.push(text);
  speaking ||= setTimeout(() => {
    speaking = 0;
    const words = unspoken.length > 3 ? [...unspoken.slice(-3), `and ${unspoken.length - 3} more changes`] : unspoken;
    unspoken = [];
    if (spoken) spoken.textContent = words.join('. ');
  }, 2000);
}

if (events) {
  for (const li of events.querySelectorAll('[data-seq]')) seen.add(Number(li.dataset.seq));
  for (const t of events.querySelectorAll('time')) t.textContent = clock(Date.parse(t.dateTime));
  live.on('state', (e) => {
    if (seen.has(e.seq)) return;
    seen.add(e.seq);
    if (seen.size > 2000) seen.delete(seen.values().next().value);
    addEvent(e.t, e.text, e.kind, { broker: e.broker });
  });
  live.on('burst', (b) => addEvent(b.t, `${count(b.count)} more changes, too many to list${kinds(b)}`, 'burst'));
  live.on('note', (n) => addEvent(Date.now(), n.text, 'note', { say: false }));
}

function kinds(b) {
  const list = Object.entries(b.kinds ?? {}).sort((x, y) => y[1] - x[1]).slice(0, 3);
  return list.length ? `: ${list.map(([k, n]) => `${count(n)} × ${k.replaceAll('.', ' ')}`).join(', ')}` : '';
}

// The newest messages.

const messages = document.querySelector('[data-messages]');
const hidden = document.querySelector('[data-messages-hidden]');
let hiddenCount = 0;

if (messages) {
  for (const t of messages.querySelectorAll('time')) t.textContent = clock(Date.parse(t.dateTime));
  live.on('record', (batch) => {
    if (batch.records?.length) document.querySelector('[data-messages-empty]')?.remove();
    for (const r of batch.records ?? []) messages.prepend(messageRow(r));
    keep(messages, MESSAGES);
    hiddenCount += batch.hidden ?? 0;
    if (hidden && hiddenCount) hidden.textContent = `a sample: ${count(hiddenCount)} more not shown`;
    const failed = document.querySelector('[data-messages-error]');
    if (failed) {
      failed.hidden = !batch.error;
      failed.textContent = batch.error ?? '';
    }
  });
}

function messageRow(r) {
  const tr = node('tr');
  const when = node('time', '', clock(r.t));
  when.dateTime = new Date(r.t).toISOString();
  const where = anchor('', `/topics/${segment(r.topic)}/partitions/${r.partition}/offsets/${r.offset}`, `${r.topic}-${r.partition}@${count(r.offset)}`);
  const cells = [[when, 'tight'], [where, 'tight mono'], [text(r.key, r.nullKey, 'no key'), 'key'], [text(r.value, r.nullValue, 'no value'), 'value'], [bytes(r.size), 'num']];
  for (const [content, cls] of cells) {
    const td = node('td', cls);
    td.append(content);
    tr.append(td);
  }
  return tr;
}

function text(s, missing, words) {
  return missing ? node('span', 'faint', words) : node('span', 'mono', s);
}

// The lag of the groups.

const lags = document.querySelector('[data-lags]');

function drawLags() {
  const { model } = live;
  const rows = [...model.groups.values()].sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, 50).map((g) => {
    const own = [...model.lags.values()].filter((l) => l.g === g.id);
    const lag = own.reduce((n, l) => n + l.lag, 0);
    const topics = new Set(own.map((l) => model.topicOf(model.partitions.get(l.p) ?? {})?.name).filter(Boolean));
    return [g.name, g.state || '–', count(g.members.length), [...topics].sort().join(', ') || '–', lag];
  });
  document.querySelector('[data-lags-empty]')?.toggleAttribute('hidden', rows.length > 0);
  lags.closest('.table-wrap').hidden = rows.length === 0;
  while (lags.rows.length > rows.length) lags.deleteRow(-1);
  rows.forEach(([name, state, members, topics, lag], i) => {
    const tr = lags.rows[i] ?? lagRow();
    const [a, ...cells] = [tr.cells[0].firstElementChild, ...[...tr.cells].slice(1)];
    set(a, name);
    a.href = `/groups/${segment(name)}`;
    set(cells[0], state);
    set(cells[1], members);
    set(cells[2], topics);
    set(cells[3], count(lag));
    cells[3].classList.toggle('some', lag > 0);
  });
}

function lagRow() {
  const tr = lags.insertRow();
  const th = node('th');
  th.scope = 'row';
  th.append(anchor('name', '#', ''));
  tr.append(th);
  for (const [cls, label] of [['', 'State'], ['num', 'Members'], ['', 'Topics'], ['num lag', 'Lag']]) {
    const td = node('td', cls);
    td.dataset.label = label;
    tr.append(td);
  }
  return tr;
}

function set(el, s) {
  if (el.textContent !== s) el.textContent = s;
}

// The table beside the map, kept fresh while it is open.

const table = document.querySelector('[data-map-table]');
const MOST = 500; // rows

function drawTable() {
  const { model } = live;
  const now = model.time;
  const parts = [...model.partitions.values()].filter((p) => !model.topicOf(p)?.internal)
    .sort((a, b) => (model.nameOf(a) < model.nameOf(b) ? -1 : 1)).slice(0, MOST);
  fillRows(table.querySelector('[data-table-partitions]'), parts.map((p) => [
    model.nameOf(p), p.leader < 0 ? 'none' : `Broker ${p.leader}`, `${inSync(p)}/${p.replicas.length}`, count(p.start), count(p.hw), short(p.inRate.at(now)), short(p.outRate.at(now)),
  ]));
  const flows = new Map();
  for (const l of model.links.values()) {
    const c = model.clients.get(l.c);
    if (!c) continue;
    const key = `${l.d}${c.id}`;
    const f = flows.get(key) ?? { c, d: l.d, rate: 0, n: 0 };
    f.rate += l.rate.at(now);
    f.n += l.n;
    flows.set(key, f);
  }
  fillRows(table.querySelector('[data-table-clients]'), [...flows.values()].slice(0, MOST).map((f) => [
    f.c.name, f.d === 'p' ? 'produces' : 'consumes', f.c.software || '–', short(f.rate), count(f.n),
  ]));
}

function fillRows(body, rows) {
  while (body.rows.length > rows.length) body.deleteRow(-1);
  const numeric = [...body.closest('table').tHead.rows[0].cells].map((c) => c.classList.contains('num'));
  rows.forEach((row, i) => {
    let tr = body.rows[i];
    if (!tr) {
      tr = body.insertRow();
      row.forEach((_, k) => {
        const cell = node(k === 0 ? 'th' : 'td', numeric[k] ? 'num' : '');
        if (k === 0) cell.scope = 'row';
        cell.dataset.label = body.closest('table').tHead.rows[0].cells[k].textContent;
        tr.append(cell);
      });
    }
    row.forEach((s, k) => set(tr.cells[k], s));
  });
}

const toggle = document.querySelector('[data-table-toggle]');
toggle?.addEventListener('click', () => {
  const open = toggle.getAttribute('aria-pressed') !== 'true';
  toggle.setAttribute('aria-pressed', String(open));
  table.closest('.map').classList.toggle('as-table', open);
  if (open) drawTable();
});

// What went wrong with the journal, which all brokers share.

const journal = document.querySelector('[data-journal]');
for (const type of ['hello', 'patch']) {
  live.on(type, () => {
    if (!journal) return;
    journal.hidden = !live.model.journal;
    set(journal.querySelector('[data-journal-why]'), live.model.journal);
  });
}

setInterval(() => {
  if (live.paused || !live.model.time) return;
  if (lags) drawLags();
  if (table && toggle?.getAttribute('aria-pressed') === 'true') drawTable();
}, 1000);
