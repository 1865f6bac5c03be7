/** examples/deploy: systemd takes the units, and what they and the image start serves, drains and ends. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { SETTINGS } from "../../src/daemon/settings.ts";
import { checkout, reseolioCommand } from "../support/executable.ts";
import { freePort } from "../support/free-port.ts";
import { type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { environment, runCommand, runOrThrow } from "../support/run-command.ts";
import { tempDir } from "../support/temp-dir.ts";
import { createTestCertificate } from "../support/test-certificate.ts";
import { readDocument } from "./read-document.ts";

const UNITS = ["reseolio.service", "reseolio-postgres.service"] as const;
const unit = (name: string) => readDocument(`examples/deploy/${name}`);
const settings = readDocument("examples/deploy/environment");
const containerfile = readDocument("examples/deploy/Containerfile");

/** The value of a line `NAME=…` of a unit or an environment file. */
const valueOf = (text: string, name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1] ?? "";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

describe("the units for systemd", () => {
  test("have flags and variables that exist", () => {
    const flags = UNITS.flatMap((name) => [...valueOf(unit(name), "ExecStart").matchAll(/ --([a-z-]+)/g)]);
    expect(flags.length).toBeGreaterThan(3);
    const known = Object.values(SETTINGS);
    for (const [, flag] of flags) expect(known.map((setting) => String(setting.flag))).toContain(flag!);
    const variables = [...settings.matchAll(/^(RESEOLIO_\w+)=/gm)].map(([, name]) => name!);
    expect(variables.length).toBeGreaterThan(2);
    for (const name of variables) expect(known.map(({ variable }) => String(variable))).toContain(name);
  });

  for (const name of UNITS) {
    test.skipIf(Bun.which("systemd-analyze") === null)(`${name} is one that systemd takes`, async () => {
      await using directory = await tempDir();
      // It looks whether the program is there.
      await Bun.write(directory.file("reseolio"), "#!/bin/sh\n");
      chmodSync(directory.file("reseolio"), 0o755);
      const text = unit(name).replaceAll("/usr/local/bin/reseolio", directory.file("reseolio"));
      await Bun.write(directory.file(name), text);
      const { exitCode, stderr } = await runCommand(["systemd-analyze", "verify", "--man=no", directory.file(name)]);
      expect({ exitCode, ours: stderr.split("\n").filter((line) => line.includes(name)) }).toEqual({
        exitCode: 0,
        ours: [],
      });
    });
  }

  test("start a daemon on SQLite that SIGTERM ends well", async () => {
    await using directory = await tempDir();
    const address = `127.0.0.1:${await freePort()}`;
    const start = valueOf(unit("reseolio.service"), "ExecStart").replaceAll("/var/lib/reseolio", directory.path);
    const daemon = run(start.split(" "), { RESEOLIO_ADDR: address });
    await ready(`http://${address}`);
    expect(existsSync(directory.file("reseolio.db"))).toBe(true);
    await endsWell(daemon);
  }, 30_000);

  test("start a daemon on PostgreSQL for other machines, with a token and TLS", async () => {
    await using directory = await tempDir();
    const { cert, key } = createTestCertificate(["jobs.internal", "localhost"]);
    await Bun.write(directory.file("cert.pem"), cert);
    await Bun.write(directory.file("key.pem"), key);
    const port = await freePort();
    const start = valueOf(unit("reseolio-postgres.service"), "ExecStart")
      .replaceAll("%d", directory.path)
      .replace("0.0.0.0:50051", `0.0.0.0:${port}`);
    const env = {
      RESEOLIO_DB: database.url,
      RESEOLIO_TOKEN: valueOf(settings, "RESEOLIO_TOKEN"),
      RESEOLIO_HOST_NAME: valueOf(settings, "RESEOLIO_HOST_NAME"),
    };
    const daemon = run(start.split(" "), env);
    await ready(`https://localhost:${port}`);
    const status = [
      ...reseolioCommand(),
      "status",
      "--addr",
      `localhost:${port}`,
      "--tls-ca",
      directory.file("cert.pem"),
    ];
    expect(await runOrThrow([...status, "--json"], { env })).toContain("postgres");
    expect((await runCommand(status)).exitCode).toBe(4);
    await endsWell(daemon);
  }, 30_000);
});

describe("the image", () => {
  const binary = process.env["RESEOLIO_TEST_BINARY"];
  const canEnter =
    process.platform === "linux" &&
    process.getuid?.() === 0 &&
    ["unshare", "chroot"].every((program) => Bun.which(program) !== null);

  test("names files that are there, and commands that exist", () => {
    expect(containerfile).toContain("COPY --chmod=755 reseolio /usr/local/bin/reseolio");
    for (const [, flag] of containerfile.matchAll(/"--([a-z-]+)"/g)) {
      expect(Object.values(SETTINGS).map((setting) => String(setting.flag))).toContain(flag!);
    }
  });

  // As the first process of a root directory that has the executable and the C library, like the image.
  test.skipIf(!binary || !canEnter)(
    "needs nothing but the C library, serves as process 1 of nobody, and SIGTERM ends it well",
    async () => {
      await using directory = await tempDir();
      await furnish(directory.path, resolve(checkout, binary!));
      const words = (name: string) =>
        JSON.parse(new RegExp(`^${name} (\\[.*\\])$`, "m").exec(containerfile)![1]!) as string[];
      const port = await freePort();
      const command = [...words("ENTRYPOINT"), ...words("CMD")].map((word) => word.replace("50051", String(port)));
      const inside = ["chroot", "--userspec=65532:65532", directory.path, ...command];
      const outside = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        `--mount-proc=${join(directory.path, "proc")}`,
        ...inside,
      ];
      const daemon = spawn(outside[0]!, outside.slice(1), {
        env: environment({ RESEOLIO_INSECURE: "true", RESEOLIO_DB: "/var/lib/reseolio/reseolio.db" }),
        stdio: "ignore",
      });
      await ready(`http://127.0.0.1:${port}`);
      const env = { RESEOLIO_ADDR: `127.0.0.1:${port}` };
      expect(await runOrThrow([...reseolioCommand(), "status", "--json"], { env })).toContain(
        "/var/lib/reseolio/reseolio.db",
      );
      // The process in the namespace, which unshare waits for.
      const [first] = readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/children`, "utf8").split(" ");
      process.kill(Number(first), "SIGTERM");
      expect(await once(daemon, "exit")).toEqual([0, null]);
    },
    30_000,
  );
});

/** What the image has: the executable, the C library, and a place for the database. */
async function furnish(root: string, binary: string): Promise<void> {
  for (const folder of ["proc", "tmp", "usr/local/bin", "var/lib/reseolio"]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  chmodSync(root, 0o755);
  chmodSync(join(root, "var/lib/reseolio"), 0o777);
  cpSync(binary, join(root, "usr/local/bin/reseolio"));
  for (const [library] of (await runOrThrow(["ldd", binary])).matchAll(/\/\S+/g)) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    cpSync(library, join(root, library), { dereference: true });
  }
}

function run(words: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
  const [program, ...args] = [...reseolioCommand(), ...words.slice(1)];
  return spawn(program!, args, { env: environment(env), stdio: "ignore" });
}

async function ready(url: string): Promise<void> {
  const until = performance.now() + 15_000;
  for (;;) {
    const answer = await fetch(`${url}/readyz`, { tls: { rejectUnauthorized: false } }).catch(() => null);
    if (answer?.ok === true) return;
    if (performance.now() > until) throw new Error(`${url} is not ready`);
    await Bun.sleep(50);
  }
}

async function endsWell(daemon: ChildProcess): Promise<void> {
  daemon.kill("SIGTERM");
  expect(await once(daemon, "exit")).toEqual([0, null]);
}
