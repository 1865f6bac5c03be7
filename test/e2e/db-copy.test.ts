/** `reseolio db copy`: killed again and again it completes, exactly; and a daemon goes on with what was copied. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { checkDatabase, describeDatabase } from "../../src/daemon/database.ts";
import { openStore } from "../../src/daemon/storage/open-store.ts";
import { reseolioCommand } from "../support/executable.ts";
import { fillMixed } from "../support/mixed-jobs.ts";
import { runSql, type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { environment, runCommand, runOrThrow } from "../support/run-command.ts";
import { type Random, seededRandom } from "../support/seeded-random.ts";
import { spawnDaemon } from "../support/spawn-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };
const JOBS = 6_000;

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

async function filled(url: string, random: Random): Promise<void> {
  const { store } = await openStore(url, { clock: CLOCK });
  await fillMixed(store, Date.now(), JOBS, random);
  await store.close();
}

/** Kills copies until one comes to its end; returns how many were killed, and the report. */
async function copyThroughKills(from: string, to: string, random: Random) {
  const [program, ...args] = [...reseolioCommand(), "db", "copy", from, to, "--json"];
  for (let kills = 0; ; kills++) {
    const child = spawn(program, args, { env: environment(), stdio: ["ignore", "pipe", "pipe"] });
    const output: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => output.push(chunk));
    // Later and later, so that the last one is let through.
    const timer = setTimeout(() => child.kill("SIGKILL"), random.between(50, 250) * 1.5 ** kills);
    const [exitCode] = (await once(child, "close")) as [number | null];
    clearTimeout(timer);
    const text = Buffer.concat(output).toString();
    if (exitCode === 0) return { kills, report: JSON.parse(text) as Report };
    if (exitCode !== null) throw new Error(text);
  }
}

/** What the doctor says, by check. */
async function findings(words: readonly string[], env: Readonly<Record<string, string>>) {
  const { stdout } = await runCommand([...reseolioCommand(), ...words], { env });
  const { findings } = JSON.parse(stdout) as { findings: readonly { check: string; message: string }[] };
  return Object.fromEntries(findings.map(({ check, message }) => [check, message])) as Record<string, string>;
}

interface Report {
  readonly resumed: boolean;
  readonly tables: readonly { readonly table: string; readonly rows: number; readonly digest: string }[];
}

test("killed -9 at any point, SQLite → PostgreSQL → SQLite, a copy goes on and is equal in the end", async () => {
  await using directory = await tempDir();
  const random = seededRandom("copy through kills");
  const [from, middle, to] = [directory.file("from.db"), `${database.url}?schema=killed`, directory.file("to.db")];
  await filled(from, random);
  const there = await copyThroughKills(from, middle, random);
  expect((await checkDatabase(middle)).problems).toEqual([]);
  await runSql(database.url, "update killed.workers set lease_expires_at = 0");
  const back = await copyThroughKills(middle, to, random);
  expect((await checkDatabase(to)).problems).toEqual([]);
  expect(there.kills + back.kills).toBeGreaterThan(2);
  const jobs = ({ report }: typeof there) => report.tables.filter(({ table }) => table !== "workers");
  expect(jobs(back)).toEqual(jobs(there));
  expect(jobs(there).find(({ table }) => table === "jobs")?.rows).toBe(JOBS);
}, 60_000);

test("a daemon on the copy answers with old results, keeps keys, and runs what was pending", async () => {
  await using directory = await tempDir();
  const url = `${database.url}?schema=served`;
  const from = directory.file("from.db");
  const reseolio = (...words: string[]) => [...reseolioCommand(), ...words];
  let finished = "";
  let pending = "";
  {
    await using daemon = await spawnDaemon({ db: from });
    const env = { RESEOLIO_ADDR: daemon.address };
    const enqueue = async (name: string, ...words: string[]) =>
      (await runOrThrow(reseolio("jobs", "enqueue", name, "--args", '["hello"]', "-q", ...words), { env })).trim();
    const worker = spawn(reseolioCommand()[0]!, reseolio("work", "copy:upper", "--", "tr", "a-z", "A-Z").slice(1), {
      env: environment(env),
      stdio: "ignore",
    });
    finished = await enqueue("copy:upper", "--idempotency-key", "only-once");
    await runOrThrow(reseolio("jobs", "wait", finished), { env });
    worker.kill("SIGTERM");
    await once(worker, "exit");
    pending = await enqueue("copy:upper");
  }
  const copied = await runCommand(reseolio("db", "copy", from, url));
  expect({ code: copied.exitCode, out: copied.stdout }).toEqual({ code: 0, out: "" });
  expect(copied.stderr).toContain("verified the copy; rows per table: functions 1, jobs 2");
  await using daemon = await spawnDaemon({ db: url });
  const env = { RESEOLIO_ADDR: daemon.address };
  expect(await runOrThrow(reseolio("jobs", "result", finished), { env })).toBe('["HELLO"]\n');
  const again = ["jobs", "enqueue", "copy:upper", "--args", '["hello"]', "--idempotency-key", "only-once", "-q"];
  expect((await runOrThrow(reseolio(...again), { env })).trim()).toBe(finished);
  const worker = spawn(reseolioCommand()[0]!, reseolio("work", "copy:upper", "--", "tr", "a-z", "A-Z").slice(1), {
    env: environment(env),
    stdio: "ignore",
  });
  await runOrThrow(reseolio("jobs", "wait", pending), { env });
  expect(await runOrThrow(reseolio("jobs", "result", pending), { env })).toBe('["HELLO"]\n');
  worker.kill("SIGTERM");
  await once(worker, "exit");
  const refused = await runCommand(reseolio("db", "copy", url, directory.file("back.db")));
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain("is in use: 1 daemon is working on it");
  expect((await describeDatabase(url)).jobs).toHaveLength(1);
  expect(await findings(["doctor", "--json"], env)).toMatchObject({
    storage: expect.stringContaining("was not checked"),
  });
  expect(await findings(["doctor", "--json"], { ...env, RESEOLIO_DB: url })).toMatchObject({
    storage: expect.stringContaining("?schema=served"),
    drift: expect.stringContaining("match the migrations"),
  });
}, 60_000);

test("P7: a job that runs while its database is copied goes on in its worker, and ends through the daemon of the copy", async () => {
  await using directory = await tempDir();
  const url = `${database.url}?schema=running`;
  const from = directory.file("from.db");
  await using before = await spawnDaemon({ db: from });
  const { port, address } = before;
  const env = { RESEOLIO_ADDR: address };
  const worker = spawn(
    reseolioCommand()[0]!,
    [...reseolioCommand().slice(1), "work", "copy:slow", "--", "sleep", "4"],
    {
      env: environment(env),
      stdio: "ignore",
    },
  );
  const enqueue = ["jobs", "enqueue", "copy:slow", "--args", "[]", "-q"];
  const jobId = (await runOrThrow([...reseolioCommand(), ...enqueue], { env })).trim();
  const job = async () =>
    JSON.parse(await runOrThrow([...reseolioCommand(), "jobs", "get", jobId, "--json"], { env })) as {
      state: string;
      attempt: number;
      losses: number;
    };
  while ((await job()).state !== "RUNNING") await Bun.sleep(20);
  await before.stop();
  await runOrThrow([...reseolioCommand(), "db", "copy", from, url]);
  await using _after = await spawnDaemon({ db: url, port });
  await runOrThrow([...reseolioCommand(), "jobs", "wait", jobId], { env });
  expect(await job()).toMatchObject({ state: "SUCCESS", attempt: 1, losses: 0 });
  worker.kill("SIGTERM");
  await once(worker, "exit");
}, 60_000);
