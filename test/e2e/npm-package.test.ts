/** The npm tarballs, as a user meets them: an empty directory, npm, Node 20 and Bun. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { buildSdk } from "../../scripts/build-sdk.ts";
import { checkout } from "../support/executable.ts";
import { freePort } from "../support/free-port.ts";
import { runCommand, runOrThrow } from "../support/run-command.ts";
import { tempDir } from "../support/temp-dir.ts";
import type { TempDir } from "../support/temp-dir.ts";

const platformPackage = `@reseolio/${process.platform}-${process.arch}`;
const runtimes = [
  ["Node", "node"],
  ["Bun", process.execPath],
] as const;

let app: TempDir;

beforeAll(async () => {
  app = await tempDir("reseolio-app-");
  const tarballs = await buildSdk({ published: false, outDirectory: app.file("tarballs") });
  await writeFile(app.file("package.json"), '{ "name": "app", "private": true, "type": "module" }\n');
  const types = `@types/node@${manifest.devDependencies["@types/node"]}`;
  await runOrThrow(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", types, ...tarballs], {
    cwd: app.path,
    timeoutMs: 120_000,
  });
}, 300_000);

afterAll(() => app[Symbol.asyncDispose]());

describe("the tarball", () => {
  test("holds ESM and types, no native addon, and asks for pinned versions of what it imports only", async () => {
    const root = app.file("node_modules", "reseolio");
    const installed = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    expect(installed).toMatchObject({ version: manifest.version, type: "module", engines: { node: ">=20" } });
    const pinned = ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node"] as const;
    expect(installed.dependencies).toEqual(
      Object.fromEntries(pinned.map((name) => [name, manifest.dependencies[name]])),
    );
    expect(installed).not.toHaveProperty("scripts");
    const files = await readdir(root, { recursive: true });
    expect(files).toEqual(expect.arrayContaining(["README.md", "LICENSE", "src/sdk/index.js", "src/sdk/index.d.ts"]));
    const everything = await readdir(app.file("node_modules"), { recursive: true });
    expect(everything.filter((name) => name.endsWith(".node"))).toEqual([]);
    const sources = files.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"));
    expect(sources.filter((name) => !name.startsWith("examples/"))).toEqual([]);
  });

  test("holds what its README, guides and examples link to", async () => {
    const root = app.file("node_modules", "reseolio");
    const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith(".md"));
    expect(names).toEqual(expect.arrayContaining(["README.md", "CHANGELOG.md", "docs/jobs.md", "examples/README.md"]));
    const links = await Promise.all(names.map((name) => linksOf(join(root, name))));
    expect(links.flat().length).toBeGreaterThan(40);
    expect(links.flat().filter((path) => !existsSync(path))).toEqual([]);
  });

  test("type-checks in a strict program that checks its libraries too, and infers arguments and results", async () => {
    await writeFile(app.file("typed.ts"), typedProgram);
    const tsc = join(checkout, "node_modules", ".bin", "tsc");
    const settings = [
      "--strict",
      "--skipLibCheck",
      "false",
      "--module",
      "nodenext",
      "--target",
      "es2022",
      "--types",
      "node",
    ];
    const checked = await runCommand([tsc, "--noEmit", "--ignoreConfig", ...settings, "typed.ts"], { cwd: app.path });
    expect(`${checked.stdout}${checked.stderr}`).toBe("");
    expect(checked.exitCode).toBe(0);
  }, 60_000);

  for (const [name, runtime] of runtimes) {
    test(`loads on ${name} without a daemon, and leaves nothing that keeps the process alive`, async () => {
      const program =
        'import * as sdk from "reseolio"; new sdk.Reseolio(); console.log(Object.keys(sdk).sort().join());';
      await writeFile(app.file("load.mjs"), program);
      const { stdout, stderr, exitCode } = await runCommand([runtime, "load.mjs"], {
        cwd: app.path,
        timeoutMs: 20_000,
      });
      expect(stderr).toBe("");
      expect(stdout).toContain("Reseolio");
      expect(stdout).toContain("TerminalError");
      expect(exitCode).toBe(0);
    });
  }
});

describe("the quick start with autoStart", () => {
  for (const [name, runtime] of runtimes) {
    test(`gives its result on ${name}, with no daemon before and none left 15 s after`, async () => {
      await writeFile(app.file("quick-start.mjs"), quickStart);
      const port = await freePort();
      const env = { RESEOLIO_ADDR: `127.0.0.1:${port}` };
      expect(await daemonsOf(app.path)).toEqual([]);
      const { stdout, stderr, exitCode } = await runCommand([runtime, "quick-start.mjs"], { cwd: app.path, env });
      expect({ stdout, stderr, exitCode }).toEqual({ stdout: '{"sent":true}\n', stderr: "", exitCode: 0 });
      // It serves other clients for a while, then leaves by itself.
      expect(await daemonsOf(app.path)).toHaveLength(1);
      const deadline = Date.now() + 15_000;
      while (Date.now() < deadline && (await daemonsOf(app.path)).length > 0) await Bun.sleep(200);
      expect(await daemonsOf(app.path)).toEqual([]);
    }, 60_000);
  }

  test("says where it looked when there is no executable", async () => {
    await using elsewhere = await tempDir("reseolio-app-");
    await runOrThrow(["cp", "-r", app.file("node_modules"), elsewhere.path]);
    await runOrThrow(["rm", "-r", elsewhere.file("node_modules", platformPackage)]);
    await writeFile(elsewhere.file("quick-start.mjs"), quickStart);
    const env = { RESEOLIO_ADDR: `127.0.0.1:${await freePort()}`, PATH: "/nowhere" };
    const { stderr, exitCode } = await runCommand([process.execPath, "quick-start.mjs"], { cwd: elsewhere.path, env });
    expect(stderr).toContain(platformPackage);
    expect(stderr).toContain("RESEOLIO_BINARY");
    expect(exitCode).not.toBe(0);
  }, 60_000);
});

const quickStart = `
import { Reseolio } from "reseolio";

const reseolio = new Reseolio({ storage: "sqlite://./reseolio.db" });
await reseolio.start();

const sendEmail = reseolio.durable(
  reseolio.namespace("notifications", "email", "send"),
  async (to, body) => ({ sent: to.includes("@") && body !== "" }),
  { maxAttempts: 5, backoff: "exponential" },
);

const job = await sendEmail("alice@example.com", "Hello!");
const result = await job.result();
console.log(JSON.stringify(result));
await reseolio.stop();
`;

const typedProgram = `
import { Reseolio, TerminalError, context } from "reseolio";
import type { JobHandle } from "reseolio";

const reseolio = new Reseolio({ workerConcurrency: 0, autoStart: false });
const send = reseolio.durable("mail:send", async (to: string, copies: number) => {
  if (copies > 9) throw new TerminalError(\`\${context().jobId}: too many\`);
  return { sent: to.length };
});
const job: JobHandle<{ sent: number }> = await send("a@example.com", 1);
const result = await job.result(1_000);
const sent: number = result.sent;
// @ts-expect-error: an argument of another type
await send(1, 2);
// @ts-expect-error: results are never any
result.nothing;
console.log(sent);
`;

/** Where the relative links of a document lead. */
async function linksOf(document: string): Promise<readonly string[]> {
  const links = (await readFile(document, "utf8")).matchAll(/\]\(([^)#]+)/g);
  const targets = [...links].map(([, target = ""]) => target).filter((target) => !target.includes(":"));
  return targets.map((target) => join(dirname(document), target));
}

/** Ids of the daemons that work in the directory. */
async function daemonsOf(directory: string): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map(async (pid) => ({ pid, command: await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "") })),
  );
  return lines.filter(({ command }) => command.includes("serve") && command.includes(directory)).map(({ pid }) => pid);
}
