/** P11: steps that were under way when the handler failed, and the attempts and pauses of steps. */
import { expect } from "bun:test";
import { testInterrupted } from "../../support/replay-world.ts";

const AT_ONCE = { initialDelayMs: 0, jitter: 0, maxAttempts: 2 };

testInterrupted(
  "P11: a step that is under way when the handler fails finishes, and is never run again (R6)",
  "replay/steps",
  async (world) => {
    const job = await world.start<readonly unknown[]>("replay:beside", "parts", [], AT_ONCE);
    await world.interrupt(["parts"]);
    expect(await job.result(20_000)).toEqual(["result of a", null, "result of c"]);
    expect(world.effectsOf("parts").toSorted()).toEqual([
      "a began",
      "a is done",
      "b began",
      "b began",
      "c began",
      "c is done",
    ]);
    expect(await job.details()).toMatchObject({ failures: 1 });
  },
);

testInterrupted(
  "P9, P11: a step that is under way past the time limit of a failed attempt is told to stop, and named (R6)",
  "replay/steps",
  async (world) => {
    const job = await world.start("replay:endless", "parts", [], { ...AT_ONCE, maxAttempts: 3, timeoutMs: 1_500 });
    const { worker } = world;
    await worker.line("the endless step was told to stop parts", 4_000);
    await world.interrupt(["parts"]);
    await job.result(20_000);
    expect(worker.stderr).toContain("endless step");
    const begun = world.effectsOf("parts").filter((line) => line === "the endless step began");
    expect(begun).toHaveLength(2);
    // It was told to stop before the next attempt ran it again.
    const told = world.effectsOf("parts").indexOf("the endless step was told to stop");
    expect(world.effectsOf("parts").lastIndexOf("the endless step began")).toBeGreaterThan(told);
  },
);

const PAUSE_MS = 400;

testInterrupted(
  "P8: the attempts of a step and the pauses between them survive a crash (R7)",
  "replay/steps",
  async (world) => {
    const subjects = ["attempt", "pause"] as const;
    const jobs = await Promise.all(
      subjects.map((killedIn) => world.start<string>("replay:attempts", killedIn, [killedIn, PAUSE_MS])),
    );
    await Promise.all([world.worker.line("stands still attempt"), world.worker.line("attempt 3 of pause")]);
    await world.replaceWorker();
    for (const job of jobs) expect(await job.result(20_000)).toContain("the other side does not answer");
    for (const subject of subjects) expectInOrder(subject, runsOf(world.effectsOf(subject)));
  },
  // Without a crash a step that pauses stays in memory, or its pause is a sleep.
  ["kill -9"],
);

interface Run {
  readonly attempt: number;
  readonly at: number;
}

function runsOf(effects: readonly string[]): readonly Run[] {
  return effects.map((line) => {
    const [, attempt, at] = /^attempt (\d+) at (\d+)$/.exec(line) ?? [];
    return { attempt: Number(attempt), at: Number(at) };
  });
}

/** The one that was cut before its failure was recorded may be run again; every other one comes after a pause. */
function expectInOrder(subject: string, runs: readonly Run[]): void {
  const attempts = runs.map(({ attempt }) => attempt);
  const withoutRepeats = attempts.filter((attempt, index) => attempt !== attempts[index - 1]);
  expect({ subject, attempts: withoutRepeats }).toEqual({ subject, attempts: [1, 2, 3, 4] });
  expect(runs.length).toBeLessThanOrEqual(5);
  for (const [index, { attempt, at }] of runs.entries()) {
    const before = runs[index - 1];
    if (before === undefined || before.attempt === attempt) continue;
    // Both are read from a clock of whole milliseconds.
    expect(at - before.at).toBeGreaterThanOrEqual(PAUSE_MS - 1);
  }
}

testInterrupted(
  "P11: attempts of a step that are used up stay used up in the next attempt of the job (R7)",
  "replay/steps",
  async (world) => {
    const job = await world.start("replay:used-up", "call", [], AT_ONCE);
    await world.interrupt(["call"]);
    const outcome = 'step "call" failed for good: the other side does not answer';
    expect(await job.result(20_000)).toEqual({ outcome, calls: 1 });
    const attempts = world.effectsOf("call").filter((line) => line.startsWith("attempt"));
    expect(attempts).toEqual(["attempt 1", "attempt 2", "attempt 3"]);
  },
);

testInterrupted(
  "P12: a wait beside a running step is over at its time, however often the process is killed",
  "replay/steps",
  async (world) => {
    const job = await world.start("replay:waits-beside", "upload", [], { maxAttempts: 1, timeoutMs: 60_000 });
    for (let kills = 0; kills < 2; kills++) {
      await world.worker.line("works upload");
      await Bun.sleep(700);
      await world.replaceWorker();
    }
    await job.result(30_000);
    const times = world.effectsOf("upload").map((line) => /^(\w+) at (\d+)$/.exec(line) ?? []);
    const [began] = times.filter(([, what]) => what === "began").map(([, , at]) => Number(at));
    const over = times.filter(([, what]) => what !== "began");
    expect(over.map(([, what]) => what).sort()).toEqual(["first", "signal", "sleep"]);
    for (const [, what, at] of over) {
      const tookMs = Number(at) - (began ?? 0);
      // Waits for messages are over when the step lets the handler park.
      const isInTime = tookMs >= 5_999 && tookMs < (what === "sleep" ? 7_000 : 9_500);
      expect({ what, tookMs, isInTime }).toMatchObject({ what, isInTime: true });
    }
  },
  ["kill -9"],
);
