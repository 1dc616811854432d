// Page smoke: the real binary's demo in a real browser, each role, with and without JavaScript, in
// light and dark. Run by `cargo xtask test`, which gives the paths in BURGESS_*.
//
// A check's name is a sentence of the rule. A check that proves a requirement says so in a comment of
// ids alone right above it, in the form that Rust tests use.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";

import { crawl, listen } from "./crawl.mjs";
import { startDemo } from "./demo.mjs";
import { drop, steal, tamper } from "./exercises.mjs";

const need = (name) => {
  const value = process.env[name];
  if (!value) { throw new Error(`${name} is not set: run \`cargo xtask test\``); }
  return value;
};

const binary = need("BURGESS_BIN");
const verifier = need("BURGESS_VERIFY_BIN");
const examples = path.join(import.meta.dirname, "..", "..", "examples");
const screenshots = need("BURGESS_SCREENSHOTS");
const report = need("BURGESS_SMOKE_REPORT");
/** The whole smoke ends by then, whatever hangs. */
const LIMIT_MS = 15 * 60_000;

const outcomes = [];
const save = () => writeFile(report, `${JSON.stringify(outcomes, null, 2)}\n`);

/** One test. What it throws is its failure. */
const check = async (name, body) => {
  const started = performance.now();
  try {
    await body();
    outcomes.push({ group: "web", name, outcome: "passed" });
    console.log(`  ok     ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  } catch (error) {
    outcomes.push({ group: "web", name, outcome: "failed" });
    console.log(`  FAILED ${name}\n${String(error?.message ?? error).replace(/^/gm, "         ")}`);
  }
  await save();
};

/** Fails with all the faults at once. */
const none = (faults, what) => {
  const shown = [...new Set(faults)];
  assert.ok(shown.length === 0, `${shown.length} ${what}:\n${shown.slice(0, 40).join("\n")}`);
};

const timer = setTimeout(() => {
  console.log("the page smoke takes too long and is ended");
  process.exit(1);
}, LIMIT_MS);

await mkdir(screenshots, { recursive: true });
const profile = await mkdtemp(path.join(tmpdir(), "burgess-browser-"));
const demo = await startDemo(binary);
const browser = await chromium.launch({
  executablePath: need("BURGESS_CHROMIUM"),
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
  ],
  env: { ...process.env, HOME: profile },
});

/** Roles that signed in: `{who, state, home}`. */
const roles = [];
/** Everything visited: the crawl's rows with `who` and `script`. */
const visits = [];

const place = (row) => `${row.who}${row.script ? "" : " (no script)"}: ${row.url}`;
const pages = () => visits.filter((row) => row.html);
/** What `pick` finds on any page, each fault once, with how often and where first. */
const faultsOf = (pick) => {
  const where = new Map();
  for (const row of pages()) {
    for (const fault of pick(row)) { where.set(fault, [...(where.get(fault) ?? []), place(row)]); }
  }
  return [...where].map(([fault, places]) => `${fault} (${places.length} times, first ${places[0]})`);
};

try {
  await check("every_role_signs_in_by_its_one_time_link", async () => {
    const faults = [];
    for (const { who, url } of demo.links) {
      const context = await browser.newContext();
      const page = await context.newPage();
      const heard = listen(page, demo.origin);
      const answer = await page.goto(url, { waitUntil: "load" });
      const signIn = page.getByRole("button", { name: /sign in|continue/i });
      if (page.url().includes("/sign-in") && await signIn.count() > 0) {
        await Promise.all([page.waitForNavigation(), signIn.first().click()]);
      }
      const cookies = await context.cookies();
      if ((answer?.status() ?? 500) >= 400 || page.url().includes("/sign-in") || cookies.length === 0) {
        faults.push(`${who}: ${answer?.status()} at ${page.url()}, ${cookies.length} cookies`);
      }
      if (cookies.some((cookie) => !cookie.httpOnly || cookie.sameSite === "None")) {
        faults.push(`${who}: a session cookie that scripts or other sites can use`);
      }
      faults.push(...Object.values(heard()).flat());
      roles.push({ who, state: await context.storageState(), home: page.url(), link: url });
      await context.close();
    }
    none(faults, "faults at sign-in");
    assert.ok(roles.length >= 5, `${roles.length} roles`);
  });

  await check("a_sign_in_link_works_once", async () => {
    const faults = [];
    for (const { who, link } of roles) {
      const context = await browser.newContext();
      const page = await context.newPage();
      await page.goto(link, { waitUntil: "load" });
      const signIn = page.getByRole("button", { name: /sign in|continue/i });
      if (await signIn.count() > 0) { await signIn.first().click(); await page.waitForLoadState("load"); }
      const home = await context.request.get(`${demo.origin}/`, { maxRedirects: 0, failOnStatusCode: false });
      if (home.status() === 200 && (await context.cookies()).length > 0) { faults.push(`${who}: signed in twice`); }
      await context.close();
    }
    none(faults, "links that work twice");
  });

  /** A signed-in browser of the first role whose printed name fits. */
  const as = async (pattern, options, body) => {
    const role = roles.find(({ who }) => pattern.test(who));
    assert.ok(role, `no role like ${pattern} among ${roles.map(({ who }) => who).join(", ")}`);
    const context = await browser.newContext({ storageState: role.state, ...options });
    try { await body(context); } finally { await context.close(); }
  };

  await check("a_dropped_export_gets_its_verdict_within_three_seconds", async () => {
    await as(/developer/i, {}, (context) => drop(context, demo, examples, true));
  });

  await check("a_chosen_export_gets_its_verdict_without_script", async () => {
    await as(/developer/i, { javaScriptEnabled: false }, (context) => drop(context, demo, examples, false));
  });

  await check("a_stolen_export_is_blocked_and_on_the_open_trail_page_within_two_seconds", async () => {
    await as(/audit/i, {}, (context) => steal(context, demo.origin, demo.said()));
  });

  await check("a_changed_byte_of_the_ledger_is_named_by_file_and_index", async () => {
    await tamper(verifier, demo.data, demo.said());
  });

  for (const role of roles) {
    const scripted = await browser.newContext({ storageState: role.state });
    const dark = await browser.newContext({ storageState: role.state, colorScheme: "dark" });
    const other = await dark.newPage();
    const name = role.who.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 30);
    const seen = new Set();
    const rows = await crawl(scripted, demo.origin, role.home, async (page, row, slug) => {
      const kind = slug.replace(/\d+/g, "").slice(0, 24);
      if (seen.has(kind) || seen.size >= 30) { return; }
      seen.add(kind);
      await page.screenshot({ path: path.join(screenshots, `${name}-${slug}-light.png`), fullPage: true });
      await other.goto(row.url, { waitUntil: "load" });
      await other.screenshot({ path: path.join(screenshots, `${name}-${slug}-dark.png`), fullPage: true });
      await page.setViewportSize({ width: 390, height: 844 });
      row.phone = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      await page.setViewportSize({ width: 1280, height: 720 });
    });
    visits.push(...rows.map((row) => ({ ...row, who: role.who, script: true })));
    await scripted.close();
    await dark.close();

    const plain = await browser.newContext({ storageState: role.state, javaScriptEnabled: false });
    const unscripted = await crawl(plain, demo.origin, role.home);
    visits.push(...unscripted.map((row) => ({ ...row, who: role.who, script: false })));
    await plain.close();
    console.log(`  ${role.who}: ${rows.length} pages, ${unscripted.length} without script`);
  }

  await check("every_link_a_role_sees_opens", async () => {
    assert.ok(visits.length >= roles.length * 5, `only ${visits.length} pages were reached`);
    none(visits.filter((row) => row.status >= 400).map((row) => `${place(row)}: ${row.status}`), "links that do not open");
  });

  await check("pages_are_the_same_without_script", async () => {
    const of = (script) => new Set(visits.filter((row) => row.script === script && row.html).map((row) => `${row.who} ${new URL(row.url).pathname.split("/")[1]}`));
    const [scripted, plain] = [of(true), of(false)];
    none([...scripted].filter((section) => !plain.has(section)), "sections that need script");
  });

  await check("no_page_breaks_its_content_security_policy", async () => {
    none(faultsOf((row) => row.heard.policy), "violations");
  });

  await check("no_page_reports_an_error_on_its_console", async () => {
    none(faultsOf((row) => row.heard.console), "errors");
  });

  await check("no_page_asks_another_origin", async () => {
    none(faultsOf((row) => row.heard.foreign), "requests elsewhere");
  });

  await check("every_page_has_one_heading_a_title_and_a_language", async () => {
    none(faultsOf(({ facts }) => [
      ...(facts.headings === 1 ? [] : [`${facts.headings} h1`]),
      ...(facts.mains === 1 ? [] : [`${facts.mains} main`]),
      ...(facts.title === "" ? ["no title"] : []),
      ...(/^[a-z]{2}/.test(facts.language) ? [] : ["no language"]),
    ]), "pages without");
  });

  await check("every_control_and_picture_has_a_name", async () => {
    none(faultsOf(({ facts }) => [
      ...facts.unnamed,
      ...facts.pictures,
      ...facts.doubled.map((id) => `two elements with the id ${id}`),
      ...facts.broken.map((target) => `a link to ${target}, which is not on the page`),
    ]), "without a name, or with one that is taken");
  });

  await check("every_page_fits_a_phone", async () => {
    none(pages().filter((row) => (row.phone ?? 0) > 1).map((row) => `${place(row)}: ${row.phone} px too wide`), "pages");
  });
} finally {
  await browser.close();
  await demo.stop();
  await rm(profile, { recursive: true, force: true });
  clearTimeout(timer);
  await save();
}
process.exitCode = outcomes.some((row) => row.outcome === "failed") ? 1 : 0;
