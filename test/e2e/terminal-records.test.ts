/** P5: what has ended stays as it is, unless a person makes it run again. */
import { expect } from "bun:test";
import { testOnEachStore } from "../support/each-store.ts";
import { reseolioCommand } from "../support/executable.ts";
import { rejection } from "../support/rejection.ts";
import { runCommand } from "../support/run-command.ts";
import type { CommandResult } from "../support/run-command.ts";

function reseolio(address: string, ...words: string[]): Promise<CommandResult> {
  return runCommand([...reseolioCommand(), ...words, "--addr", address]);
}

testOnEachStore(
  "P5: a finished job reads the same after cancel, retry, repeated calls and a restart",
  async (store) => {
    await using world = await store.createWorld();
    await world.startWorker();
    const key = { idempotencyKey: "once" };
    const job = await world.enqueue({ label: "kept" }, key);
    const result = await job.result(10_000);
    const record = await job.details();
    const shown = await reseolio(world.daemon.address, "jobs", "get", job.jobId, "--json");
    expect(shown.exitCode).toBe(0);

    expect(await job.cancel()).toBe(false);
    const message: unknown = expect.stringContaining("SUCCESS");
    expect(await rejection(world.client.retryJob(job.jobId))).toMatchObject({ code: "failed_precondition", message });
    expect((await reseolio(world.daemon.address, "jobs", "retry", job.jobId)).exitCode).toBe(8);
    await world.enqueue({ label: "other" }, key);
    await world.daemon.restart();

    expect(await job.details()).toEqual(record);
    expect(await job.result(10_000)).toEqual(result);
    expect((await reseolio(world.daemon.address, "jobs", "get", job.jobId, "--json")).stdout).toBe(shown.stdout);
    expect(world.ledger.starts()).toEqual(new Map([[job.jobId, 1]]));
  },
);

testOnEachStore(
  "P5: a DEAD job that a person retries starts its failures at 0, and its attempt numbers go on",
  async (store) => {
    await using world = await store.createWorld();
    await world.startWorker();
    const job = await world.enqueue({ failures: 3 }, { maxAttempts: 2, initialDelayMs: 10 });
    expect(await rejection(job.result(10_000))).toMatchObject({ code: "job_failed", reason: "handler" });
    const dead = await job.details();
    expect(dead).toMatchObject({ status: "dead", attempt: 2, failures: 2 });
    // Dead stays dead until somebody says otherwise.
    expect(await job.cancel()).toBe(false);
    expect(await job.details()).toEqual(dead);

    const { exitCode, stderr } = await reseolio(world.daemon.address, "jobs", "retry", job.jobId);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(await job.result(10_000)).toMatchObject({ attempt: 4 });
    const revived = await job.details();
    expect(revived).toMatchObject({ status: "success", attempt: 4, failures: 1 });
    expect(revived.attempts.map(({ attempt, outcome }) => `${attempt} ${outcome}`)).toEqual([
      "1 failed",
      "2 failed",
      "3 failed",
    ]);
  },
);

testOnEachStore(
  "P5: a CANCELLED job runs again when it is retried, and result() of before still ends",
  async (store) => {
    await using world = await store.createWorld();
    const job = await world.enqueue({ label: "second thoughts" });
    expect(await job.cancel()).toBe(true);
    expect(await rejection(job.result(5_000))).toMatchObject({ code: "job_cancelled" });
    expect((await reseolio(world.daemon.address, "jobs", "retry", job.jobId)).exitCode).toBe(0);
    await world.startWorker();
    expect(await job.result(10_000)).toMatchObject({ attempt: 1, label: "second thoughts" });
  },
);
