// Walks every page that a role can reach by links, as one browser would, and writes down what a
// page did wrong. Not here: which faults matter to which check (smoke.mjs).

/** Enough for every page of the console; above it, pages of one shape are repeated. */
const PAGES_MAX = 120;
/** Pages of one shape (`/apps/…`) visited, and of one shape that differ in their query alone. */
const PER_SHAPE_MAX = 4;
const PER_QUERY_SHAPE_MAX = 3;

/** `/apps/microapp-x/events/evt_0` and its siblings have one shape. */
const shape = (url) => {
  const parts = url.pathname.split("/").map((part, depth) => {
    const isId = /\d/.test(part) || /^[a-z]{2,4}_/.test(part) || (depth === 2 && part.includes("-"));
    return isId ? "…" : part;
  });
  return parts.join("/");
};

const slug = (url) => {
  const path = new URL(url).pathname.replace(/^\/|\/$/g, "").replace(/[^a-z0-9]+/gi, "-");
  return path === "" ? "home" : path.slice(0, 80);
};

/** What the page itself can tell; runs in the browser. */
const facts = () => {
  const named = (control) => {
    const text = (value) => (value ?? "").trim() !== "";
    const by = (control.getAttribute("aria-labelledby") ?? "").split(/\s+/).filter(Boolean);
    return text(control.getAttribute("aria-label")) || text(control.title)
      || by.some((id) => text(document.getElementById(id)?.textContent))
      || [...(control.labels ?? [])].some((label) => text(label.textContent));
  };
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  const controls = [...document.querySelectorAll("input:not([type=hidden]):not([type=submit]), select, textarea")];
  const pressable = [...document.querySelectorAll("button, a[href]")];
  return {
    language: document.documentElement.lang,
    title: document.title.trim(),
    headings: document.querySelectorAll("h1").length,
    mains: document.querySelectorAll("main").length,
    unnamed: controls.filter((control) => !named(control)).map((control) => control.outerHTML.slice(0, 120))
      .concat(pressable.filter((element) => element.textContent.trim() === "" && !named(element)
        && !element.querySelector("img[alt]:not([alt=''])")).map((element) => element.outerHTML.slice(0, 120))),
    pictures: [...document.images].filter((image) => !image.hasAttribute("alt")).map((image) => image.src),
    doubled: ids.filter((id, at) => ids.indexOf(id) !== at),
    links: [...document.querySelectorAll("a[href]")].map((link) => link.href),
    broken: [...document.querySelectorAll("a[href^='#']")].map((link) => link.getAttribute("href"))
      .filter((target) => target.length > 1 && document.getElementById(decodeURIComponent(target.slice(1))) === null),
  };
};

/** Listens to everything the page does; `take()` gives and forgets what went wrong. */
export const listen = (page, origin) => {
  let heard = { console: [], foreign: [], policy: [] };
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      const list = /content security policy|trusted ?type/i.test(message.text()) ? heard.policy : heard.console;
      list.push(message.text());
    }
  });
  page.on("pageerror", (error) => heard.console.push(String(error)));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !/^(data|blob|about):/.test(url)) { heard.foreign.push(url); }
  });
  return () => {
    const taken = heard;
    heard = { console: [], foreign: [], policy: [] };
    return taken;
  };
};

/**
 * From `start` on, breadth first. One row a page: `{url, status, html, facts, heard}`; what is not
 * a page (a download) is fetched and has a status alone.
 */
export const crawl = async (context, origin, start, onPage = async () => {}) => {
  const page = await context.newPage();
  const take = listen(page, origin);
  const rows = [];
  const queue = [start];
  const known = new Set(queue);
  const shapes = new Map();
  while (queue.length > 0 && rows.length < PAGES_MAX) {
    const url = queue.shift();
    const answer = await context.request.get(url, { failOnStatusCode: false, maxRedirects: 5 });
    const html = (answer.headers()["content-type"] ?? "").startsWith("text/html")
      && !(answer.headers()["content-disposition"] ?? "").startsWith("attachment");
    if (!html) {
      rows.push({ url, status: answer.status(), html });
      continue;
    }
    const loaded = await page.goto(url, { waitUntil: "load" });
    await page.waitForTimeout(30);
    const row = { url, status: loaded?.status() ?? answer.status(), html, facts: await page.evaluate(facts) };
    await onPage(page, row, slug(url));
    rows.push({ ...row, heard: take() });
    for (const href of row.facts.links) {
      const next = new URL(href);
      next.hash = "";
      const key = shape(next) + (next.search === "" ? "" : "?");
      const count = shapes.get(key) ?? 0;
      const limit = next.search === "" ? PER_SHAPE_MAX : PER_QUERY_SHAPE_MAX;
      if (next.origin === origin && !known.has(next.href) && count < limit) {
        known.add(next.href);
        shapes.set(key, count + 1);
        queue.push(next.href);
      }
    }
  }
  await page.close();
  return rows;
};
