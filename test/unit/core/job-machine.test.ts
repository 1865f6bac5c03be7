import { describe, expect, test } from "bun:test";
import { decide, type JobEvent, type JobSnapshot } from "../../../src/daemon/core/job-machine.ts";
import { isTerminal, JOB_STATES, type JobState } from "../../../src/daemon/core/job.ts";

const SETTINGS = { maxLosses: 10 };
const RESULT = new TextEncoder().encode("42");

const RUNNING: JobSnapshot = {
  jobId: "0192f0c1-2345-7000-8000-000000000001",
  functionName: "test:machine",
  parentId: null,
  state: "RUNNING",
  leaseToken: 7,
  attempt: 2,
  failures: 1,
  losses: 0,
  maxAttempts: 3,
  timeoutMs: 30_000,
  backoff: "exponential",
  initialDelayMs: 1000,
  maxDelayMs: 60_000,
  jitter: 0,
  workerId: "worker-1",
  startedAt: 5000,
  ranMs: null,
};

const EVENTS = {
  succeed: { kind: "succeed", result: RESULT },
  fail: { kind: "fail", error: { name: "Error", message: "no" }, terminal: false, retryAfterMs: null },
  release: { kind: "release", started: true },
  park: { kind: "park", ranMs: 7 },
  wake: { kind: "wake", graceMs: 0 },
  timeout: { kind: "timeout" },
  lose: { kind: "lose" },
  cancel: { kind: "cancel", reason: "cancelled" },
  retry: { kind: "retry" },
} as const satisfies Record<JobEvent["kind"], JobEvent>;

function decided(job: Partial<JobSnapshot>, event: JobEvent, chance = 0.5) {
  const transition = decide({ ...RUNNING, ...job }, event, SETTINGS, chance);
  if (transition === null) throw new Error(`${event.kind} was refused`);
  return transition;
}

describe("which events a state allows", () => {
  const allowed: Readonly<Record<JobState, readonly JobEvent["kind"][]>> = {
    PENDING: ["cancel"],
    RUNNING: ["succeed", "fail", "release", "park", "timeout", "lose", "cancel"],
    SUSPENDED: ["wake", "cancel", "retry"],
    SUCCESS: [],
    DEAD: ["retry"],
    CANCELLED: ["retry"],
  };
  for (const state of JOB_STATES) {
    for (const event of Object.values(EVENTS)) {
      const isAllowed = allowed[state].includes(event.kind);
      test(`${isAllowed ? "" : isTerminal(state) ? "P5: " : ""}${state} ${isAllowed ? "takes" : "refuses"} ${event.kind}`, () => {
        const transition = decide({ ...RUNNING, state }, event, SETTINGS, 0);
        expect(transition !== null).toBe(isAllowed);
        // P4: what the store will check is what was read.
        if (transition !== null) expect(transition.expected).toEqual({ state, leaseToken: 7 });
      });
    }
  }
});

test("success has the result and ends no attempt without success", () => {
  const transition = decided({}, EVENTS.succeed);
  expect(transition).toMatchObject({ change: { state: "SUCCESS", result: RESULT }, ended: null, attempt: 2 });
});

describe("failure", () => {
  test("waits its backoff by the number of failures, not of attempts", () => {
    const { change } = decided({ attempt: 9, failures: 1, maxAttempts: 5 }, EVENTS.fail);
    expect(change).toMatchObject({ state: "PENDING", failures: 2, runAfterMs: 2000 });
  });

  test("is the end when attempts are used up", () => {
    const { change, ended } = decided({ failures: 2 }, EVENTS.fail);
    expect(change).toMatchObject({ state: "DEAD", failures: 3, error: { reason: "handler" } });
    expect(change.runAfterMs).toBeUndefined();
    expect(ended).toMatchObject({ outcome: "failed", attempt: 2, workerId: "worker-1", startedAt: 5000 });
  });

  test("that asks for no retry is the end, whatever attempts are left", () => {
    const { change } = decided({ failures: 0, maxAttempts: 99 }, { ...EVENTS.fail, terminal: true });
    expect(change).toMatchObject({ state: "DEAD", failures: 1, error: { reason: "terminal" } });
  });

  test("takes the delay that the handler asked for instead of the backoff, also none", () => {
    expect(decided({}, { ...EVENTS.fail, retryAfterMs: 77 }).change.runAfterMs).toBe(77);
    expect(decided({}, { ...EVENTS.fail, retryAfterMs: 0 }).change.runAfterMs).toBe(0);
  });

  test("P8: lies inside the jitter band", () => {
    for (const chance of [0, 0.25, 0.999]) {
      const { change } = decided({ failures: 0, jitter: 0.2 }, EVENTS.fail, chance);
      expect(change.runAfterMs!).toBeGreaterThanOrEqual(800);
      expect(change.runAfterMs!).toBeLessThanOrEqual(1200);
    }
  });

  test("says what becomes of the records, whatever becomes of the job", () => {
    const marks = { endedBy: [{ name: "a", op: 1 }], loosened: [] };
    for (const failures of [0, 2]) expect(decided({ failures }, { ...EVENTS.fail, marks }).change.marks).toBe(marks);
    expect("marks" in decided({}, EVENTS.fail).change).toBe(false);
  });

  test("with maxAttempts 1 never retries", () => {
    expect(decided({ failures: 0, maxAttempts: 1 }, EVENTS.fail).change.state).toBe("DEAD");
  });
});

describe("records that do not fit the code", () => {
  const mismatch: JobEvent = {
    kind: "release",
    started: true,
    mismatch: 'step "b" was recorded where "a" is asked for',
  };

  test("count as no failure, end no attempt, and are told as the job's error", () => {
    const transition = decided({ ranMs: 40, attempt: 2, failures: 1 }, mismatch);
    expect(transition).toMatchObject({ attempt: 2, ended: null });
    expect(transition.change).toEqual({
      state: "PENDING",
      error: {
        name: "ReplayMismatchError",
        message: 'step "b" was recorded where "a" is asked for',
        reason: "replay_mismatch",
      },
      runAfterMs: 1_000,
      ranMs: null,
      startedAt: 5000,
    });
  });

  test("wait from a second to a minute, the longer the more executions ended so", () => {
    const delay = (job: Partial<JobSnapshot>, chance = 0.5) => decided(job, mismatch, chance).change.runAfterMs;
    expect([1, 2, 3, 6, 7, 5000].map((attempt) => delay({ attempt, failures: 0 }))).toEqual([
      1_000, 2_000, 4_000, 32_000, 60_000, 60_000,
    ]);
    expect(delay({ attempt: 5, failures: 2, losses: 2 })).toBe(1_000);
    expect(delay({ attempt: 1, failures: 2 })).toBe(1_000);
    expect([delay({ attempt: 1, failures: 0 }, 0), delay({ attempt: 9, failures: 0 }, 0)]).toEqual([900, 54_000]);
  });
});

describe("timeout", () => {
  test("P4 P9: takes the lease back, counts as a failure and names its length", () => {
    const { change, ended } = decided({}, EVENTS.timeout);
    expect(change).toMatchObject({ state: "PENDING", failures: 2, revokeLease: true });
    expect(ended).toMatchObject({ outcome: "timeout", error: { name: "TimeoutError", reason: "timeout" } });
    expect(ended!.error!.message).toContain("30000 ms");
  });

  test("is the end when attempts are used up", () => {
    expect(decided({ failures: 2 }, EVENTS.timeout).change).toMatchObject({ state: "DEAD", revokeLease: true });
  });
});

describe("loss of the worker", () => {
  test("uses up no attempt, is ready at once and takes the lease back", () => {
    const { change, ended } = decided({ failures: 2 }, EVENTS.lose);
    expect(change).toMatchObject({ state: "PENDING", losses: 1, runAfterMs: 0, revokeLease: true });
    expect(change.failures).toBeUndefined();
    expect(ended).toMatchObject({ outcome: "lost", error: { reason: "worker_lost" } });
  });

  test("is the end after as many losses as the setting says", () => {
    expect(decided({ losses: 8 }, EVENTS.lose).change.state).toBe("PENDING");
    expect(decided({ losses: 9 }, EVENTS.lose).change).toMatchObject({
      state: "DEAD",
      error: { reason: "worker_lost" },
    });
  });
});

describe("handing back", () => {
  test("counts nothing and is ready at once", () => {
    const { change, ended } = decided({}, EVENTS.release);
    expect(change).toMatchObject({ state: "PENDING", runAfterMs: 0, attempt: 2 });
    expect(change).not.toHaveProperty("failures");
    expect(change).not.toHaveProperty("losses");
    expect(ended).toBeNull();
  });

  test("of a job that never started gives the attempt number back", () => {
    expect(decided({}, { kind: "release", started: false })).toMatchObject({ attempt: 1, change: { attempt: 1 } });
  });
});

describe("P10: cancelling", () => {
  test("ends a running job's attempt and takes its lease back", () => {
    const { change, ended } = decided({}, EVENTS.cancel);
    expect(change).toMatchObject({ state: "CANCELLED", revokeLease: true, error: { reason: "cancelled" } });
    expect(ended).toMatchObject({ outcome: "cancelled" });
  });

  for (const state of ["PENDING", "SUSPENDED"] as const) {
    test(`of a ${state} job ends no attempt`, () => {
      const { change, ended } = decided({ state, workerId: null, startedAt: null }, EVENTS.cancel);
      expect(change).toMatchObject({ state: "CANCELLED", revokeLease: true });
      expect(ended).toBeNull();
    });
  }

  for (const reason of ["start_deadline", "finish_deadline"] as const) {
    test(`by policy says so: ${reason}`, () => {
      const { change } = decided({}, { kind: "cancel", reason });
      expect(change.error).toMatchObject({ reason, name: "CancelledError" });
    });
  }
});

test("P5: a retry by a person starts failures and losses at 0, drops deadlines, and keeps attempt numbers", () => {
  const transition = decided({ state: "DEAD", failures: 3, losses: 2, attempt: 5 }, EVENTS.retry);
  expect(transition.change).toMatchObject({
    state: "PENDING",
    failures: 0,
    losses: 0,
    runAfterMs: 0,
    clearDeadlines: true,
    revokeLease: true,
  });
  expect(transition.attempt).toBe(5);
  expect(transition.change.attempt).toBeUndefined();
});

test("the start of the attempt is written with its end, and only then", () => {
  expect(decided({}, EVENTS.succeed).change.startedAt).toBe(5000);
  expect(decided({ state: "DEAD" }, EVENTS.retry).change.startedAt).toBeUndefined();
});
