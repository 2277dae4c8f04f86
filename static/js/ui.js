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
