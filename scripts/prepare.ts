/**
 * Prepares a checkout: installs the dependencies and builds the executable. It works in a fresh clone, before anything is
 * installed, so this file and everything that it imports use built-in modules only.
 */
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { buildBinary } from "./build-binary.ts";
import { run } from "./run.ts";

export const checkout = resolve(import.meta.dir, "..");
export const executable = join(checkout, "dist", process.platform === "win32" ? "reseolio.exe" : "reseolio");

/** What the executable is made from. */
const sources = ["src", "proto", "patches", "package.json", "bun.lock", "scripts/build-binary.ts"];

/**
 * Installs what `bun.lock` names and builds `dist/reseolio` when it is missing or older than its sources. Fast when
 * there is nothing to do. Throws with what to do when either fails. Returns the path of the executable.
 */
export async function prepareCheckout(): Promise<string> {
  await installDependencies();
  await buildIfStale();
  return executable;
}

/** `bun install --frozen-lockfile`: about 10 ms when everything is installed. */
export async function installDependencies(): Promise<void> {
  const result = await run([process.execPath, "install", "--frozen-lockfile"], { cwd: checkout });
  if (result.exitCode === 0) return;
  throw new Error(
    `the dependencies could not be installed; check the network and the npm registry setting, then try again:\n${result.output}`,
  );
}

/** True when it was built. */
export async function buildIfStale(): Promise<boolean> {
  const builtAt = await changedAt(executable);
  const newest = Math.max(...(await Promise.all(sources.map((source) => newestChange(join(checkout, source))))));
  if (builtAt > newest) return false;
  process.stderr.write("building dist/reseolio\n");
  await buildBinary({ outfile: executable });
  return true;
}

async function newestChange(path: string): Promise<number> {
  const own = await changedAt(path);
  const entries = await readdir(path, { recursive: true }).catch(() => []);
  const inside = await Promise.all(entries.map((entry) => changedAt(join(path, entry))));
  return Math.max(own, ...inside);
}

/** 0 when there is no such file. */
async function changedAt(path: string): Promise<number> {
  return await stat(path).then(
    (entry) => entry.mtimeMs,
    () => 0,
  );
}

if (import.meta.main) await prepareCheckout();
