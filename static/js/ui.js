// Small helps on every page; each page is whole without them.
// Copying: a [data-copy="#id"] button copies the text of that element.
document.addEventListener('click', async (e) => {
  const button = e.target.closest('[data-copy]');
  if (!button) return;
  const from = document.querySelector(button.dataset.copy);
  if (!from) return;
  try {
    await navigator.clipboard.writeText(from.textContent);
    button.dataset.label ??= button.textContent;
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = button.dataset.label; }, 1500);
  } catch {
    // No clipboard without a secure context: select the text, so that one key copies it.
    getSelection().selectAllChildren(from);
  }
});
const ready = (root) => root.querySelectorAll('[data-copy]').forEach((b) => b.classList.add('ready'));
ready(document);
document.addEventListener('htmx:load', (e) => ready(e.target));
