// The three things that the demo invites people to try, done as a person would: drop an export,
// steal customer records, tamper with the ledger. Not here: the pages in general (smoke.mjs).

import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { run, sleep } from "./demo.mjs";

/** What the demo promises, in milliseconds. */
const VERDICT_MS = 3_000;
const TRAIL_MS = 2_000;

/** The exports that the demo invites people to drop, by path. */
const invited = (said, folder) => {
  const names = [...said.matchAll(/\bexamples\/(\S+\.(?:json|zip|msapp))/g)].map(([, name]) => name);
  assert.ok(names.length > 0, "the demo names no export to drop");
  return [...new Set(names)].map((name) => path.join(folder, name));
};

/** Drops them on the first page; the verdict stands there in time, with score and band. */
export const drop = async (context, { origin, said }, folder, script) => {
  const page = await context.newPage();
  for (const file of invited(said(), folder)) {
    await page.goto(`${origin}/`, { waitUntil: "load" });
    const started = performance.now();
    const arrived = page.waitForURL((url) => url.pathname !== "/", { waitUntil: "load", timeout: 20_000 });
    await page.setInputFiles("[data-drop] input[type=file]", file);
    // With script, choosing a file sends it; without, a person presses the button.
    if (!script) { await page.click("[data-drop] button"); }
    await arrived;
    const took = performance.now() - started;
    const text = await page.textContent("main");
    assert.match(text, /\b\d{1,3}\b/, `${file}: no score`);
    assert.match(text, /low|medium|high/i, `${file}: no band`);
    assert.ok(took < VERDICT_MS, `${file}: the verdict took ${Math.round(took)} ms`);
  }
  await page.close();
};

/** The command line that the demo prints, with its continued lines. */
const printed = (said, program) => {
  const found = said.match(new RegExp(`^[ \\t$]*(${program}\\b[^\\n]*(?:\\\\\\n[^\\n]*)*)`, "m"));
  assert.ok(found, `the demo prints no \`${program}\` to paste`);
  return found[1];
};

/** Pastes the printed call: blocked in a sentence, and on the open trail page in time. */
export const steal = async (context, origin, said) => {
  const page = await context.newPage();
  await page.goto(`${origin}/trail`, { waitUntil: "load" });
  const rows = () => page.locator("#events tbody tr").allTextContents();
  const known = new Set(await rows());
  const { stdout, stderr } = await run("sh", ["-c", printed(said, "curl")]);
  const code = stdout.match(/DLP_BLOCK_[A-Z_]+/)?.[0];
  assert.ok(code, `the export was not blocked:\n${stdout.slice(0, 600)}\n${stderr.slice(0, 300)}`);
  assert.ok(!/@[a-z]+\.example/.test(stdout), "the answer holds customers' addresses");
  const started = performance.now();
  for (;;) {
    const fresh = (await rows()).filter((row) => !known.has(row) && row.includes(code));
    if (fresh.length > 0) { break; }
    const waited = performance.now() - started;
    assert.ok(waited < TRAIL_MS, `no event ${code} on the open trail page after ${Math.round(waited)} ms`);
    await sleep(50);
  }
  await page.close();
};

/** Flips one byte in a copy of the ledger; the verifier accepts it before and names it after. */
export const tamper = async (verifier, data, said) => {
  const key = said.match(/burgess-verify\b.*--key[= ]'?([^\s'"]+)/)?.[1];
  assert.ok(key, "the demo prints no call of burgess-verify with its key");
  const ledger = path.join(data, "ledger");
  const shards = [];
  for (const name of await readdir(ledger, { recursive: true })) {
    if (path.basename(name) === "checkpoint") { shards.push(path.dirname(name)); }
  }
  assert.equal(shards.length, 1, `one shard, found ${shards}`);
  const folder = await mkdtemp(path.join(tmpdir(), "burgess-tamper-"));
  try {
    await cp(path.join(ledger, shards[0]), folder, { recursive: true });
    const verify = () => run(verifier, ["log", folder, "--key", key]);
    const before = await verify();
    assert.equal(before.code, 0, `the ledger does not verify as it lies:\n${before.stdout}${before.stderr}`);
    const bundles = [];
    for (const name of await readdir(path.join(folder, "tile", "entries"), { recursive: true })) {
      const file = path.join(folder, "tile", "entries", name);
      if ((await stat(file)).isFile()) { bundles.push(file); }
    }
    // Narrower ones are left over from earlier checkpoints; the newest needs the widest.
    const victim = bundles.sort((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1);
    const bytes = await readFile(victim);
    bytes[bytes.length >> 1] ^= 1;
    await writeFile(victim, bytes);
    const after = await verify();
    const told = after.stdout + after.stderr;
    assert.equal(after.code, 1, `a changed byte was not found:\n${told}`);
    assert.ok(told.includes(path.relative(folder, victim)), `the file is not named:\n${told}`);
    assert.match(told, /\b(entry|index) \d+/, `the index is not named:\n${told}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
