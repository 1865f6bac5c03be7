/** P20: jobs that the version before records had an order left parked, retrying and cut off go on under this one. */
import { expect } from "bun:test";
import { JobFailedError, Reseolio } from "../../src/sdk/index.ts";
import { registerHandlers } from "../storage/fixtures/previous-version/handlers.ts";
import { createE2eWorld } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { storePreviousVersion, unpackPreviousVersion } from "../support/previous-version.ts";
import { tempDir } from "../support/temp-dir.ts";

testOnEachStore("P20: jobs of the previous version end as they would have, and run no step again", async (store) => {
  await using directory = await tempDir();
  const packed = directory.file("jobs.db");
  await unpackPreviousVersion(packed);
  await using database = await store.createDatabase();
  if (store.kind === "postgres") await storePreviousVersion(packed, database.db);
  await using world = await createE2eWorld([], { db: store.kind === "postgres" ? database.db : packed });
  const reseolio = new Reseolio({ address: world.daemon.address, autoStart: false, logger: QUIET });
  const ran: string[] = [];
  registerHandlers(reseolio, (step) => ran.push(step));
  await reseolio.start();
  await using _ = { [Symbol.asyncDispose]: () => reseolio.stop() };

  await reseolio.emitEvent("fixture:paid", { cents: 1 });
  await reseolio.emitEvent("fixture:go:one");
  await reseolio.emitEvent("fixture:branch");
  const { jobs } = await reseolio.listJobs({ limit: 100 });
  const idOf = new Map(jobs.map((job) => [job.name, job.id]));
  const resultOf = (name: string): Promise<unknown> =>
    reseolio
      .handle(idOf.get(`fixture:${name}`)!)
      .result(60_000)
      .catch((error: unknown) => (error instanceof JobFailedError ? "failed" : Promise.reject(error as Error)));
  const names = ["sleeper", "waiter", "parent", "retrying", "caught", "caught-child", "branches", "running"];
  const results = await Promise.all(names.map(async (name) => [name, await resultOf(name)] as const));
  expect(Object.fromEntries(results)).toEqual({
    sleeper: ["b", "a"],
    waiter: ["b", { cents: 1 }, "a"],
    parent: ["b", "child one", "a"],
    retrying: ["b", "a"],
    caught: ['caught step "charge" failed for good: no charge', "r", "a"],
    "caught-child": [true, "r", "a"],
    branches: [
      true,
      1,
      [
        ["left", "left"],
        ["right", "right"],
      ],
    ],
    running: ["b", "s"],
  });
  const nameOf = new Map([...idOf].map(([name, id]) => [id, name.replace("fixture:", "")]));
  const runs = ran.map((line) => line.split(" ")).map(([id, step]) => `${nameOf.get(id!)} ${step}`);
  expect(runs.toSorted()).toEqual([
    ...["branches two", "caught after", "caught-child after", "parent after"],
    ...["retrying after", "sleeper after", "waiter after"],
  ]);
});

const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
