// Small helps on every page; each page is whole without them.

// Copying: a [data-copy="#id"] button copies the text of that element.
document.addEventListener('click', async (e) => {
  const button = e.target.closest('[data-copy]');
  if (!button) return;
  const from = document.querySelector(button.dataset.copy);
  if (!from) return;
  button.dataset.label ??= button.textContent;
  try {
    await navigator.clipboard.writeText(from.textContent);
    button.textContent = 'Copied';
  } catch {
    // No clipboard here: select the text, so that one key copies it.
    getSelection().selectAllChildren(from);
    button.textContent = 'Selected';
  }
  setTimeout(() => { button.textContent = button.dataset.label; }, 1500);
});

// Chips that fill in a field and its unit.
document.addEventListener('click', (e) => {
  const chip = e.target.closest('[data-fill]');
  if (!chip) return;
  const field = document.querySelector(chip.dataset.fill);
  const unit = document.querySelector(`${chip.dataset.fill}-unit`);
  if (field) field.value = chip.dataset.value;
  if (unit) unit.value = chip.dataset.unit;
});

// Another row of headers without a way to the server.
document.addEventListener('click', (e) => {
  const button = e.target.closest('[data-more-headers]');
  if (!button) return;
  const rows = button.closest('fieldset').querySelectorAll('.header-row');
  const last = rows[rows.length - 1];
  if (!last) return;
  e.preventDefault();
  const row = last.cloneNode(true);
  for (const input of row.querySelectorAll('input')) {
    input.value = '';
    input.setAttribute('aria-label', input.getAttribute('aria-label').replace(/\d+/, rows.length + 1));
  }
  last.after(row);
  row.querySelector('input').focus();
});

// Fields that only one choice of "Show" needs.
function fit(form) {
  const from = form.querySelector('#from');
  for (const field of form.querySelectorAll('[data-for]')) field.hidden = field.dataset.for !== from.value;
  for (const field of form.querySelectorAll('[data-not-for]')) field.hidden = field.dataset.notFor === from.value;
}
const query = document.querySelector('#query');
if (query) {
  fit(query);
  query.addEventListener('change', () => fit(query));
}

// A part of the page is not swapped under the hands of its reader.
document.addEventListener('htmx:beforeSwap', (e) => {
  const target = e.detail.target;
  const chosen = getSelection();
  if (chosen && !chosen.isCollapsed && target.contains(chosen.anchorNode)) e.detail.shouldSwap = false;
});

// What works only with a script shows only with one.
function ready(root) {
  for (const b of root.querySelectorAll('[data-copy]')) b.classList.add('ready');
  for (const b of root.querySelectorAll('[data-fill]')) b.hidden = false;
}
ready(document);
document.addEventListener('htmx:load', (e) => ready(e.target));

// What is asked before a broker is stopped opens over the page: [data-ask] is a
// link to a page with a [data-ask-form].
document.addEventListener('click', async (e) => {
  const link = e.target.closest('a[data-ask]');
  if (!link || e.button || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return;
  e.preventDefault();
  const answer = await fetch(link.href).catch(() => null);
  const form = answer?.ok && new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('[data-ask-form]');
  if (!form) {
    location.assign(link.href); // the page says what is wrong
    return;
  }
  const dialog = document.createElement('dialog');
  dialog.className = 'ask-dialog';
  dialog.append(form);
  document.body.append(dialog);
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (c) => {
    if (c.target !== dialog && !c.target.closest('[data-ask-cancel]')) return;
    c.preventDefault();
    dialog.close();
  });
  dialog.setAttribute('aria-labelledby', 'ask-title');
  dialog.showModal();
  form.querySelector('[data-ask-cancel]').focus();
});

// A form that takes its time says so, and is not sent twice.
document.addEventListener('submit', (e) => {
  const button = e.submitter;
  if (e.defaultPrevented || e.target.method !== 'post' || !button) return;
  setTimeout(() => { button.disabled = true; });
  setTimeout(() => { button.disabled = false; }, 35_000);
});
addEventListener('pageshow', () => {
  for (const b of document.querySelectorAll('form[method="post"] button:disabled')) b.disabled = false;
});
