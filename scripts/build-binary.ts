/**
 * Builds `dist/reseolio` for this machine; `--all` builds every platform, with SHA256SUMS. Same input, same bytes.
 *
 *     bun scripts/build-binary.ts [--all | --target NAME …]
 */
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { fetchRuntime } from "./fetch-runtime.ts";
import { run } from "./run.ts";
import { isTarget, TARGETS } from "./targets.ts";
import type { TargetName } from "./targets.ts";

const checkout = resolve(import.meta.dir, "..");

export interface BuildOptions {
  /** Absent: this machine, with the runtime that runs the build; nothing is fetched. */
  readonly target?: TargetName;
  /** Where the executable goes; replaced in one step, so a running one is not disturbed. */
  readonly outfile: string;
  /** On top of the environment when a runtime is fetched. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Builds one executable. Throws with the cause when the source does not bundle or a runtime cannot be fetched; the
 * former executable is then still there.
 */
export async function buildBinary(options: BuildOptions): Promise<void> {
  requirePinnedBun();
  const outfile = resolve(options.outfile);
  await mkdir(resolve(outfile, ".."), { recursive: true });
  const room = await mkdtemp(join(resolve(outfile, ".."), ".build-"));
  try {
    // The name of the output is part of the bytes: always the same one, renamed afterwards.
    const built = join(room, options.target?.startsWith("windows") === true ? "reseolio.exe" : "reseolio");
    await compile(built, options);
    await chmod(built, 0o755);
    await rename(built, outfile);
  } finally {
    await rm(room, { recursive: true, force: true });
  }
}

/** Builds every platform into the directory, and SHA256SUMS beside them. */
export async function buildAll(directory: string, targets: readonly TargetName[]): Promise<void> {
  const lines: string[] = [];
  for (const target of targets) {
    const outfile = join(directory, `reseolio-${target}${target.startsWith("windows") ? ".exe" : ""}`);
    const startedAt = performance.now();
    await buildBinary({ target, outfile });
    lines.push(await checksumLine(outfile));
    report(outfile, startedAt);
  }
  await writeFile(join(directory, "SHA256SUMS"), lines.join(""));
}

async function compile(outfile: string, options: BuildOptions): Promise<void> {
  const forTarget = options.target === undefined ? forThisMachine : await forPlatform(options.target, options.env);
  const result = await run(
    [
      process.execPath,
      "build",
      "--compile",
      // Without these a .env or a bunfig.toml in the working directory runs inside the daemon.
      "--no-compile-autoload-dotenv",
      "--no-compile-autoload-bunfig",
      // Each command loads its own modules only.
      "--splitting",
      "--format=esm",
      // Stack traces in logs name our files and lines; kept inside the executable.
      "--sourcemap=linked",
      ...forTarget,
      `--outfile=${outfile}`,
      "src/cli/main.ts",
    ],
    { cwd: checkout },
  );
  if (result.exitCode !== 0) throw new Error(`the executable does not build:\n${result.output}`);
}

/** Without parsing at start a command answers in 15 ms instead of 55; such code works with this very runtime only. */
const forThisMachine = ["--bytecode"] as const;

async function forPlatform(target: TargetName, env: BuildOptions["env"]): Promise<readonly string[]> {
  return [`--target=${TARGETS[target]}`, `--compile-executable-path=${await fetchRuntime(target, env)}`];
}

/** Another Bun would make other bytes, and is not the runtime that the tests vouch for. */
function requirePinnedBun(): void {
  if (Bun.version === manifest.engines.bun) return;
  throw new Error(
    `this is Bun ${Bun.version}, Reseolio is built with ${manifest.engines.bun}: npx -y bun@${manifest.engines.bun} run build`,
  );
}

async function checksumLine(file: string): Promise<string> {
  const digest = createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
  return `${digest}  ${basename(file)}\n`;
}

function report(file: string, startedAt: number): void {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const mebibytes = (Bun.file(file).size / 1024 / 1024).toFixed(0);
  process.stderr.write(`built ${basename(file)}: ${mebibytes} MiB in ${seconds} s\n`);
}

function chosenTargets(words: readonly string[]): readonly TargetName[] | "this machine" {
  if (words.length === 0) return "this machine";
  if (words.length === 1 && words[0] === "--all") return Object.keys(TARGETS).filter(isTarget);
  const names = words.filter((word) => word !== "--target");
  const unknown = names.filter((name) => !isTarget(name));
  if (words[0] === "--target" && names.length > 0 && unknown.length === 0) return names.filter(isTarget);
  throw new Error(
    `build-binary: ${unknown.join(", ") || words.join(" ")} is not a target; give --all or --target with some of ${Object.keys(TARGETS).join(", ")}`,
  );
}

async function main(words: readonly string[]): Promise<void> {
  const targets = chosenTargets(words);
  const directory = join(checkout, "dist");
  if (targets !== "this machine") return await buildAll(directory, targets);
  const startedAt = performance.now();
  const outfile = join(directory, process.platform === "win32" ? "reseolio.exe" : "reseolio");
  await buildBinary({ outfile });
  report(outfile, startedAt);
}

if (import.meta.main) {
  await main(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
