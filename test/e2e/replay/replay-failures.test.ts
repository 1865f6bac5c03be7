/** P11: a failure that a handler was given is a fact, like a result; only the one that ended the attempt is not. */
import { expect } from "bun:test";
import { testOnEachStore } from "../../support/each-store.ts";
import { createReplayWorld, testInterrupted, until } from "../../support/replay-world.ts";

const AT_ONCE = { initialDelayMs: 0, jitter: 0, maxAttempts: 2 };
const FORMS = ["a step", "a step with attempts", "a child"] as const;
const ENDINGS = ["itself", "its cause", "an AggregateError"] as const;

/** Without what the handler was told, which each execution is told anew. */
function acts(effects: readonly string[]): readonly string[] {
  return effects.filter((line) => !line.startsWith("told "));
}

testInterrupted("P11: a failure that the handler caught stays a failure (R3)", "replay/failures", async (world) => {
  const jobs = await Promise.all(FORMS.map((form) => world.start<string>("replay:caught", form, [form])));
  await world.interrupt(FORMS);
  expect(await Promise.all(jobs.map((job) => job.result(20_000)))).toEqual(FORMS.map(() => "cancelled"));
  for (const form of FORMS) {
    const effects = world.effectsOf(form);
    expect({ form, acts: acts(effects) }).toEqual({ form, acts: ["asked to charge", "cancelled"] });
    // Every execution was told the same.
    const told = effects.filter((line) => line.startsWith("told "));
    expect({ form, told: new Set(told).size }).toEqual({ form, told: 1 });
    expect(told.length).toBeGreaterThan(1);
  }
});

for (const form of FORMS) {
  testInterrupted(
    `P11: the failure of ${form} that ended the attempt is tried again, and no other (R4)`,
    "replay/failures",
    async (world) => {
      const jobs = await Promise.all(
        ENDINGS.map((ending) => world.start<string>("replay:ended", ending, [form, ending], AT_ONCE)),
      );
      await world.interrupt(ENDINGS);
      expect(await Promise.all(jobs.map((job) => job.result(20_000)))).toEqual(ENDINGS.map(() => "refunded"));
      for (const ending of ENDINGS) {
        expect({ ending, acts: acts(world.effectsOf(ending)) }).toEqual({
          ending,
          acts: ["asked to reserve", "refunded", "asked to notify", "asked to notify", "notify done"],
        });
      }
      for (const job of jobs) expect(await job.details()).toMatchObject({ failures: 1 });
    },
  );
}

for (const maxAttempts of [2, 1]) {
  const by = maxAttempts === 1 ? "a person's retry" : "the next attempt";
  testOnEachStore(`a wait whose time was over, and which ended the attempt, waits again in ${by}`, async (store) => {
    await using world = await createReplayWorld(store, "replay/failures", "given-up memory");
    for (const how of ["signal", "event", "result"] as const) {
      const job = await world.start<string>("replay:timed-out", how, [how], { ...AT_ONCE, maxAttempts });
      await until(async () => (await job.details()).failures === 1, "the time is over");
      if (maxAttempts === 1) await world.cli("jobs", "retry", job.jobId);
      await until(async () => (await job.status()) === "suspended", "it waits again");
      expect((await job.details()).attempt).toBe(2);
      if (how === "signal") await job.signal("approved", "Ada");
      else await world.client.emitEvent(`approved:${how}`, "Ada");
      expect(await job.result(20_000)).toBe("Ada");
      expect(world.effectsOf(how)).toEqual(["asked"]);
    }
  });
}
