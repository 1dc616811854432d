// Enhancement alone: every form works without this file.
// No HTML is ever made from text here (Trusted Types): fragments arrive as documents that the server rendered.

/** Replaces the element with this id by its namesake in a page of ours. */
const swap = (id, page) => {
  const old = document.getElementById(id);
  const fresh = page.getElementById(id);
  if (old && fresh) { old.replaceWith(document.adoptNode(fresh)); }
};

/** Fetches one of our own pages as a document. XMLHttpRequest parses without an HTML sink. */
const page = (method, url, body, onProgress) => new Promise((resolve, reject) => {
  const request = new XMLHttpRequest();
  request.open(method, url);
  request.responseType = 'document';
  if (onProgress) { request.upload.addEventListener('progress', onProgress); }
  request.onload = () => resolve({ status: request.status, document: request.responseXML, url: request.responseURL });
  request.onerror = () => reject(new Error('the server did not answer'));
  request.send(body);
});

// Live score: whatever changes in the request form is scored by the server.
for (const form of document.querySelectorAll('form[data-live-score]')) {
  let timer = 0;
  form.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const body = new URLSearchParams(new FormData(form));
      try {
        const answer = await page('POST', form.dataset.liveScore, body);
        if (answer.document) { swap('score', answer.document); }
      } catch { /* the Score button still works */ }
    }, 250);
  });
}

// Drop zone: a file dropped anywhere on it is chosen, sent, and its progress shown.
for (const zone of document.querySelectorAll('[data-drop]')) {
  const form = zone.closest('form');
  const input = zone.querySelector('input[type=file]');
  const bar = zone.querySelector('progress');
  const say = zone.querySelector('[role=status]');
  const over = (on) => (event) => { event.preventDefault(); zone.classList.toggle('over', on); };
  zone.addEventListener('dragover', over(true));
  zone.addEventListener('dragleave', over(false));
  zone.addEventListener('drop', (event) => {
    over(false)(event);
    if (event.dataTransfer.files.length > 0) { input.files = event.dataTransfer.files; form.requestSubmit(); }
  });
  input.addEventListener('change', () => { if (input.files.length > 0) { form.requestSubmit(); } });
  form.addEventListener('submit', () => {
    if (bar) { bar.hidden = false; bar.removeAttribute('value'); }
    if (say && input.files.length > 0) { say.textContent = `Reading ${input.files[0].name} …`; }
  });
}

// Trail: new events appear at the top while the page is open. The server sends the cells of a row,
// already closed where this reader may not look; a row is a copy of the first one, filled as text.
const ROWS_MAX = 200;
const freshRow = (model, event) => {
  const row = model.cloneNode(true);
  for (const cell of row.querySelectorAll('[data-cell]')) { cell.textContent = event[cell.dataset.cell]; }
  row.querySelector('[data-cell=index]').href = `/trail/${encodeURIComponent(event.id)}`;
  row.querySelector('[data-cell=outcome]').className = `chip ${event.tone}`;
  const app = document.createElement(event.app_link ? 'a' : 'span');
  if (event.app_link) { app.href = `/apps/${encodeURIComponent(event.app)}`; }
  app.dataset.cell = 'app';
  app.textContent = event.app;
  row.querySelector('[data-cell=app]').replaceWith(app);
  row.className = 'fresh';
  return row;
};
const tail = document.querySelector('[data-tail]');
if (tail) {
  new EventSource(tail.dataset.tail).addEventListener('event', async (message) => {
    const event = JSON.parse(message.data);
    const body = document.querySelector(`#${tail.id} tbody`);
    if (!body) { // The first event of an empty page: the server renders the table.
      try { swap(tail.id, (await page('GET', location.href, null)).document); } catch { /* a reload does it */ }
      return;
    }
    const known = [...body.querySelectorAll('[data-cell=index]')].some((link) => link.href.endsWith(`/${encodeURIComponent(event.id)}`));
    if (known) { return; }
    body.prepend(freshRow(body.rows[0], event));
    while (body.rows.length > ROWS_MAX) { body.lastElementChild.remove(); }
  });
}

// Copy buttons.
for (const button of document.querySelectorAll('button[data-copy]')) {
  button.hidden = false;
  button.addEventListener('click', async () => {
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = 'Copied';
  });
}
for (const button of document.querySelectorAll('button[data-print]')) {
  button.hidden = false;
  button.addEventListener('click', () => print());
}
