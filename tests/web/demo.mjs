// The real binary's demo on a throwaway folder: started, heard, and ended. Not here: what is
// expected of it (smoke.mjs).

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

const SIGN_IN = /http:\/\/127\.0\.0\.1:\d+\/sign-in\/[A-Za-z0-9_-]+/;

/** A port that was free a moment ago. */
const freePort = () => new Promise((resolve, reject) => {
  const server = createServer();
  server.on("error", reject);
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs a program to its end: `{code, stdout, stderr}`. */
export const run = (program, args, options = {}) => new Promise((resolve, reject) => {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (bytes) => { stdout += bytes; });
  child.stderr.on("data", (bytes) => { stderr += bytes; });
  child.on("error", reject);
  child.on("close", (code) => resolve({ code, stdout, stderr }));
});

/**
 * Starts `burgess demo` and waits until it answers and has printed its sign-in links.
 * `links` are `{who, url}`, in the order printed; `said()` is everything printed so far.
 */
export const startDemo = async (binary, deadlineMs = 90_000) => {
  const folder = await mkdtemp(path.join(tmpdir(), "burgess-smoke-"));
  const data = path.join(folder, "data");
  const origin = `http://127.0.0.1:${await freePort()}`;
  const gateway = `http://127.0.0.1:${await freePort()}`;
  const address = (url) => url.replace("http://", "");
  const args = ["demo", "--data", data, "--listen", address(origin), "--gateway", address(gateway)];
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  let ended = null;
  child.stdout.on("data", (bytes) => { text += bytes; });
  child.stderr.on("data", (bytes) => { text += bytes; });
  child.on("error", (error) => { ended = error.message; });
  child.on("exit", (code, signal) => { ended ??= `it ended with ${code ?? signal}`; });

  const links = () => text.split("\n").flatMap((line) => {
    const found = line.match(SIGN_IN);
    return found ? [{ who: line.slice(0, found.index).trim().replace(/\s+/g, " "), url: found[0] }] : [];
  });
  const answers = () => fetch(`${origin}/healthz`).then((answer) => answer.ok, () => false);
  const stop = async () => {
    if (ended === null) {
      child.kill("SIGTERM");
      for (let waited = 0; ended === null && waited < 5_000; waited += 50) { await sleep(50); }
      if (ended === null) { child.kill("SIGKILL"); }
    }
    await rm(folder, { recursive: true, force: true });
  };

  for (let waited = 0, seen = 0; waited < deadlineMs; waited += 250) {
    await sleep(250);
    if (ended !== null) { break; }
    const count = links().length;
    if (count > 0 && count === seen && await answers()) {
      return { origin, gateway, data, links: links(), said: () => text, stop };
    }
    seen = count;
  }
  await stop();
  throw new Error(`the demo did not start: ${ended ?? "no sign-in link in time"}\n${text}`);
};
