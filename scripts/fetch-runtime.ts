import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { run } from "./run.ts";
import { TARGETS } from "./targets.ts";
import type { TargetName } from "./targets.ts";

const cache = resolve(import.meta.dir, "..", "node_modules", ".cache", "reseolio");

/**
 * Path of the runtime for a platform, of exactly the pinned version. Comes from the npm registry by npm, which knows
 * mirrors and proxies and checks the hash (Bun's own download does neither), and is kept under `node_modules/.cache`.
 * Throws, naming the package, when it cannot be had.
 */
export async function fetchRuntime(target: TargetName, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const version = manifest.engines.bun;
  const kept = join(env["RESEOLIO_RUNTIME_CACHE"] ?? cache, `${TARGETS[target]}-${version}`);
  const executable = join(kept, "bin", target.startsWith("windows") ? "bun.exe" : "bun");
  if (!existsSync(executable)) await download(`@oven/${TARGETS[target]}@${version}`, target, kept, env);
  return executable;
}

async function download(
  name: string,
  target: string,
  kept: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  await mkdir(resolve(kept, ".."), { recursive: true });
  const room = await mkdtemp(`${kept}-`);
  try {
    const packed = await run(["npm", "pack", name, "--loglevel=error", "--pack-destination", room], { cwd: room, env });
    const [tarball] = (await readdir(room)).filter((entry) => entry.endsWith(".tgz"));
    if (packed.exitCode !== 0 || tarball === undefined) throw new Error(packed.output);
    const unpacked = await run(["tar", "-xzf", tarball], { cwd: room });
    if (unpacked.exitCode !== 0) throw new Error(unpacked.output);
    await rm(kept, { recursive: true, force: true });
    await rename(join(room, "package"), kept);
  } catch (error) {
    throw new Error(
      `cannot build for ${target}: its runtime, the package ${name}, could not be fetched from the npm registry; ` +
        "check the network, the proxy and `npm config get registry`, then build again",
      { cause: error },
    );
  } finally {
    await rm(room, { recursive: true, force: true });
  }
}
