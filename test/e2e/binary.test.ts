/** The executable itself: what it is made of, and what a hostile place cannot make it do. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createReadStream, existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { buildBinary } from "../../scripts/build-binary.ts";
import { TARGETS } from "../../scripts/targets.ts";
import { checkout } from "../support/executable.ts";
import { runCommand } from "../support/run-command.ts";
import { spawnDaemon } from "../support/spawn-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";
import type { TempDir } from "../support/temp-dir.ts";

let built: TempDir;
let binary: string;

beforeAll(async () => {
  built = await tempDir("reseolio-binary-");
  binary = built.file("one", "reseolio");
  await buildBinary({ outfile: binary });
}, 120_000);

afterAll(() => built[Symbol.asyncDispose]());

describe("the build", () => {
  test("makes the same bytes from the same input, whatever the file is called", async () => {
    const other = built.file("two", "another-name");
    await buildBinary({ outfile: other });
    expect(await digest(other)).toBe(await digest(binary));
  }, 120_000);

  test("leaves nothing of the build machine in the executable", async () => {
    expect(await occurrences(binary, [checkout, dirname(binary)])).toEqual([]);
    // The same search does find what is there.
    expect(await occurrences(binary, ["src/cli/main.ts"])).toEqual(["src/cli/main.ts"]);
  });

  test("leaves only the executable behind", async () => {
    const entries = await Array.fromAsync(new Bun.Glob("**").scan({ cwd: dirname(binary), dot: true }));
    expect(entries).toEqual(["reseolio"]);
  });

  test("names the package and the way out when the runtime of another platform cannot be fetched", async () => {
    const env = {
      npm_config_registry: "http://127.0.0.1:9/",
      npm_config_fetch_retries: "0",
      npm_config_cache: built.file("empty-cache"),
      RESEOLIO_RUNTIME_CACHE: built.file("no-runtimes"),
    };
    const outfile = built.file("reseolio-darwin-x64");
    const failure = await buildBinary({ target: "darwin-x64", outfile, env }).then(
      () => "built",
      (error: unknown) => String(error),
    );
    expect(failure).toContain(`@oven/${TARGETS["darwin-x64"]}@${manifest.engines.bun}`);
    expect(failure).toContain("npm registry");
    expect(existsSync(outfile)).toBe(false);
  }, 120_000);
});

describe("the executable", () => {
  test("says its version", async () => {
    const { stdout, exitCode } = await runCommand([binary, "version"]);
    expect(stdout.trim()).toBe(manifest.version);
    expect(exitCode).toBe(0);
  });

  test("answers within 100 ms of its start", async () => {
    const times: number[] = [];
    for (let round = 0; round < 7; round++) times.push((await runCommand([binary, "version"])).durationMs);
    // The best of seven, to exclude other load on the machine.
    const best = Math.min(...times);
    process.stderr.write(`version answers in ${best.toFixed(1)} ms\n`);
    expect(best).toBeLessThan(100);
  });

  test("takes at most 70 MB as an idle daemon", async () => {
    await using daemon = await spawnDaemon({ command: [binary] });
    // The memory of the start is given back within a second; beside other tests that can take longer.
    let megabytes = await residentMegabytes(daemon.pid);
    for (let look = 0; look < 20 && megabytes >= 70; look++) {
      await Bun.sleep(250);
      megabytes = await residentMegabytes(daemon.pid);
    }
    process.stderr.write(`an idle daemon takes ${megabytes.toFixed(1)} MB\n`);
    expect(megabytes).toBeGreaterThan(10);
    expect(megabytes).toBeLessThan(70);
  });

  test("runs neither the .env nor the bunfig.toml of the directory that it starts in", async () => {
    await using trap = await hostileDirectory();
    // The trap is real: a plain Bun in this directory falls into it.
    const plain = await runCommand([process.execPath, "-e", "console.log(process.env.TRAPPED)"], { cwd: trap.path });
    expect(plain.stdout).toContain("by .env");
    expect(existsSync(trap.file("preloaded"))).toBe(true);
    await Bun.file(trap.file("preloaded")).delete();

    const { exitCode } = await runCommand([binary, "version"], { cwd: trap.path });
    expect(exitCode).toBe(0);
    await using daemon = await spawnDaemon({ command: [binary], cwd: trap.path });
    expect(existsSync(trap.file("preloaded"))).toBe(false);
    // It is ready: the log level of .env, which no daemon accepts, did not reach it.
    expect(existsSync(daemon.db)).toBe(true);
  });
});

async function hostileDirectory(): Promise<TempDir> {
  const dir = await tempDir("reseolio-trap-");
  await writeFile(dir.file(".env"), "TRAPPED=by .env\nRESEOLIO_LOG_LEVEL=nonsense\n");
  await writeFile(dir.file("bunfig.toml"), 'preload = ["./preload.ts"]\n');
  await writeFile(dir.file("preload.ts"), 'await Bun.write(import.meta.dir + "/preloaded", "yes");\n');
  return dir;
}

async function digest(file: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of createReadStream(file)) hasher.update(chunk as Uint8Array);
  return hasher.digest("hex");
}

async function occurrences(file: string, needles: readonly string[]): Promise<readonly string[]> {
  const bytes = await readFile(file);
  return needles.filter((needle) => bytes.includes(needle));
}

async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return (Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024) / 1e6;
}
