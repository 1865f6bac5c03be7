/** P13: an approval of an earlier transfer does not approve a new one: signals, new events, and deleted ones. */
import { expect } from "bun:test";
import type { JobHandle } from "../../../src/sdk/index.ts";
import { rejection } from "../../support/rejection.ts";
import { testInterrupted, until } from "../../support/replay-world.ts";
import type { EventDeleter, SignalHandle } from "../fixtures/replay/coming-api.ts";

function signals(job: JobHandle): SignalHandle {
  return job as unknown as SignalHandle;
}

async function suspended(job: JobHandle): Promise<void> {
  await until(async () => (await job.status()) === "suspended", "the handler waits");
}

testInterrupted(
  "P13: signals reach one job, in order, each once, before and while it waits (R11)",
  "replay/events",
  async (world) => {
    await world.client.emitEvent("approval", "of an earlier transfer");
    const jobs = await Promise.all(["one", "two"].map((name) => world.start("replay:signals", name)));
    const [one, two] = jobs.map(signals);
    await one?.signal("approval", "one 1");
    await one?.signal("approval", "one 2");
    await two?.signal("approval", { two: 1 });
    await world.worker.line("signal 2 one");
    await world.worker.line("signal 1 two");
    await Promise.all(jobs.map(suspended));
    await one?.signal("approval", "one 3");
    await two?.signal("approval", { two: 2 });
    await two?.signal("approval", { two: 3 });
    await world.interrupt(["one", "two"]);
    const timedOut: unknown = expect.stringContaining("Timeout");
    expect(await Promise.all(jobs.map((job) => job.result(20_000)))).toEqual([
      ["one 1", "one 2", "one 3", timedOut],
      [{ two: 1 }, { two: 2 }, { two: 3 }, timedOut],
    ]);
    expect(world.effectsOf("one")).toEqual(["signal 1", "signal 2", "signal 3"]);
    const refusal = await rejection(one?.signal("approval", "too late") ?? Promise.resolve());
    expect(refusal).toMatchObject({ code: "failed_precondition" });
  },
);

testInterrupted(
  "P13: an event from before the job began does not end a wait for one since its start (R11)",
  "replay/events",
  async (world) => {
    for (const name of ["early", "again"]) await world.client.emitEvent(`${name} approved`, "by an earlier transfer");
    const alone = await world.start("replay:approval", "early", [{ since: "start", timeoutMs: 500 }]);
    const again = await world.start("replay:approval", "again", [{ since: "start" }]);
    await suspended(again);
    await (world.client as unknown as EventDeleter).deleteEvent("again approved");
    await world.client.emitEvent("again approved", "by Ada");
    await world.interrupt(["early", "again"]);
    expect(await alone.result(20_000)).toBe("EventTimeoutError");
    expect(await again.result(20_000)).toBe("by Ada");
  },
);

testInterrupted(
  "P13: a deleted event answers no wait, and its name can happen again (R11)",
  "replay/events",
  async (world) => {
    await world.client.emitEvent("late approved", "by an earlier transfer");
    await (world.client as unknown as EventDeleter).deleteEvent("late approved");
    const job = await world.start("replay:approval", "late", [{}]);
    await suspended(job);
    expect(await world.client.emitEvent("late approved", "by Ada")).toMatchObject({ created: true });
    await world.interrupt(["late"]);
    expect(await job.result(20_000)).toBe("by Ada");
    // What the handler was given stays, whatever becomes of the event.
    expect(world.executionsOf("late")).toBeGreaterThan(1);
  },
);
