// The live tail of one topic: rows as they come, newest first, built from text
// nodes alone. The stream sends at most what an eye can follow and says how many
// it passed over.

import { live } from './live.js';
import { bytes, count } from './numbers.js';

const KEPT = 200; // rows on the page

const section = document.querySelector('#tail');
if (section) {
  const rows = section.querySelector('[data-tail-rows]');
  const status = section.querySelector('[data-tail-status]');
  const partition = section.dataset.partition;
  const path = section.dataset.path;
  let shown = 0;
  let hidden = 0;

  const cell = (className, text, title) => {
    const span = document.createElement('span');
    span.className = className;
    span.textContent = text;
    if (title) span.title = title;
    return span;
  };

  const content = (className, isNull, text) => {
    const span = cell(className, '');
    const inner = document.createElement(isNull ? 'span' : 'bdi');
    inner.textContent = isNull ? 'null' : text;
    if (isNull) inner.className = 'badge outline';
    span.append(inner);
    return span;
  };

  const row = (r) => {
    const a = document.createElement('a');
    a.className = 'record-grid record tail-row';
    a.href = `${path}/partitions/${r.partition}/offsets/${r.offset}`;
    const time = document.createElement('time');
    const iso = new Date(r.t).toISOString();
    time.dateTime = iso;
    time.textContent = iso.slice(0, 23).replace('T', ' ');
    a.append(cell('', ''), time, cell('num', r.partition, 'Partition'), cell('num', r.offset, 'Offset'),
      content('key', r.nullKey, r.key), content('value', r.nullValue, r.value), cell('num faint', bytes(r.size)));
    return a;
  };

  const say = () => {
    const words = [`${count(shown)} ${shown === 1 ? 'message' : 'messages'} since you opened this page`];
    if (hidden) words.push(`${count(hidden)} passed over to keep up`);
    status.textContent = `${words.join(', ')}.`;
  };

  live.on('record', (batch) => {
    if (batch.error) {
      status.textContent = `The tail stopped: ${batch.error}`;
      return;
    }
    const mine = (batch.records ?? []).filter((r) => partition === '' || String(r.partition) === partition);
    shown += mine.length;
    hidden += batch.hidden ?? 0;
    for (const r of mine.slice(-KEPT)) rows.prepend(row(r));
    while (rows.children.length > KEPT) rows.lastElementChild.remove();
    say();
  });
}
