/** Demo, benchmark and soak, as a person runs them, small. */
import { beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { rowSpecs } from "../../scripts/bench/row-specs.ts";
import { QUICK_SCALE } from "../../scripts/bench/scale.ts";
import { findProcesses } from "../../scripts/demo/find-processes.ts";
import { prepareCheckout } from "../../scripts/prepare.ts";
import { checkout } from "../support/executable.ts";
import { environment, runCommand } from "../support/run-command.ts";
import { tempDir } from "../support/temp-dir.ts";

const LIMIT_MS = 180_000;

beforeAll(async () => {
  await prepareCheckout();
}, LIMIT_MS);

function script(name: string, ...args: readonly string[]): readonly string[] {
  return [process.execPath, join(checkout, "scripts", `${name}.ts`), ...args];
}

describe("the demo", () => {
  test(
    "P1 P6 P7 delivers every webhook through two kills, says so plainly in a pipe, and leaves nothing",
    async () => {
      await using room = await tempDir();
      const { stdout, exitCode } = await runCommand(script("demo"), {
        env: { TMPDIR: room.path },
        timeoutMs: LIMIT_MS,
      });
      expect(stdout.match(/^ {2}ok {6}/gm)).toHaveLength(4);
      expect(stdout.match(/ kill -9 /g)?.length).toBeGreaterThanOrEqual(2);
      expect(stdout).not.toContain("\u001b");
      expect(exitCode).toBe(0);
      expect(findProcesses(room.path)).toEqual([]);
      expect(readdirSync(room.path)).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "leaves no process and no file when it is interrupted in the middle",
    async () => {
      await using room = await tempDir();
      const [file = "", ...args] = script("demo");
      const child = spawn(file, args, {
        env: environment({ TMPDIR: room.path }),
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exited = once(child, "exit");
      const running: number[] = [];
      // Read to its end: a demo whose reader goes away ends for that reason.
      child.stdout.on("data", (chunk: Buffer) => {
        if (!child.killed && String(chunk).includes("order-1001 is stored")) {
          running.push(...findProcesses(room.path));
          child.kill("SIGINT");
        }
      });
      expect((await exited)[0]).toBe(130);
      expect(running.length).toBeGreaterThan(0);
      expect(findProcesses(room.path)).toEqual([]);
      expect(readdirSync(room.path)).toEqual([]);
    },
    LIMIT_MS,
  );
});

describe("the benchmark", () => {
  test(
    "measures every row in a quick run, and leaves nothing",
    async () => {
      await using room = await tempDir();
      const json = room.file("bench.json");
      const run = await runCommand(script("bench", "--quick", "--dir", room.path, "--json", json), {
        timeoutMs: LIMIT_MS,
      });
      expect(run.stderr).not.toContain("bench: E");
      expect(run.exitCode).toBe(0);
      const { rows } = (await Bun.file(json).json()) as { rows: readonly { key: string; median: number }[] };
      const missing = rowSpecs(QUICK_SCALE).filter((spec) => !rows.some((row) => row.key === spec.key));
      const isLinux = existsSync("/proc/self/stat");
      if (isLinux && Bun.which("node") !== null) expect(missing).toEqual([]);
      expect(rows.filter((row) => row.key !== "memory/slope" && !(row.median >= 0))).toEqual([]);
      expect(readdirSync(room.path)).toEqual(["bench.json"]);
      expect(findProcesses(room.path)).toEqual([]);
    },
    LIMIT_MS,
  );

  test("names a bad option and ends with 1 before it does anything", async () => {
    const { stderr, stdout, exitCode } = await runCommand(script("bench", "--rounds", "many"));
    expect(stderr).toContain("--rounds many: give a whole number");
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
  });
});

describe("the soak", () => {
  test(
    "P1 P2 P4 P6 P7 keeps every promise in a round of each kill, and leaves nothing",
    async () => {
      await using room = await tempDir();
      const words = ["--only", "enqueue,workers,daemon", "--rounds", "1", "--dir", room.path];
      const { stdout, stderr, exitCode } = await runCommand(script("soak", ...words), { timeoutMs: LIMIT_MS });
      // The faults first: they say what broke, and the closing line only that something did.
      expect(/^(BROKEN|skipped) .*/ms.exec(stdout)?.[0]).toBeUndefined();
      expect(stdout).toContain("4 kept, 0 broken, 0 skipped");
      expect(stderr).toContain("soak:");
      expect(exitCode).toBe(0);
      expect(findProcesses(room.path)).toEqual([]);
      expect(readdirSync(room.path)).toEqual([]);
    },
    LIMIT_MS,
  );
});
