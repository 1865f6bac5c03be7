/** P5, P19: texts that a store might take for something else are kept as they are, and mean the same on both stores. */
import { expect } from "bun:test";
import { WORK } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { rejection } from "../support/rejection.ts";

const TEXTS = [
  "",
  "NULL",
  "null",
  "{}",
  '{"a","b"}',
  "'; drop table reseolio.jobs; --",
  '"quoted" and \\back\\slashed\\',
  "\\x00 \\0 \\N",
  "zero \0 in the middle, \x10 and \x100 too",
  "line\r\nbreaks\u2028and\u0085others",
  "\u{1f469}\u200d\u{1f680} é e\u0301 ﷽ \u202eright to left",
  "ends with a zero\0",
  "x".repeat(300_000),
];

testOnEachStore(
  "P5: odd texts in arguments, results, headers and errors are told as they were given",
  async (store) => {
    await using world = await store.createWorld();
    await world.startWorker();
    const jobs = await Promise.all(
      TEXTS.map((label) =>
        world.enqueue({ label }, { headers: { text: label.slice(0, 500) }, timeoutMs: 0, maxAttempts: 1 }),
      ),
    );
    const results = await Promise.all(jobs.map((job) => job.result(15_000)));
    expect(results.map((result) => result.label)).toEqual(TEXTS);
    await world.daemon.restart();
    const details = await Promise.all(jobs.map((job) => job.details()));
    expect(details.map((job) => job.args)).toEqual(TEXTS.map((label) => [{ label }]));
    expect(details.map((job) => job.result)).toEqual(results);
    expect(details.map((job) => job.options.headers)).toEqual(TEXTS.map((label) => ({ text: label.slice(0, 500) })));

    const messages = TEXTS.filter((text) => text.length < 500);
    const failing = messages.map((failWith) => world.enqueue({ failures: 1, failWith }, { maxAttempts: 1 }));
    const errors = await Promise.all(failing.map(async (job) => rejection((await job).result(15_000))));
    expect(errors.map((error) => (error as { cause: Error }).cause.message)).toEqual(messages);
  },
);

testOnEachStore("P3: odd keys are keys, each its own", async (store) => {
  await using world = await store.createWorld();
  const keys = TEXTS.filter((text) => text !== "" && text.length < 500);
  const call = async (idempotencyKey: string) => (await world.client.enqueue(WORK, [], { idempotencyKey })).jobId;
  const ids = await Promise.all(keys.map(call));
  expect(new Set(ids).size).toBe(keys.length);
  await world.daemon.restart();
  expect(await Promise.all(keys.map(call))).toEqual(ids);
});
