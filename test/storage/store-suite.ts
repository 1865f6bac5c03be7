/** What every store must do, whatever it is made of: one suite for each subject. */
import { describe } from "bun:test";
import { claimTests } from "./claim-suite.ts";
import { deletionTests } from "./deletion-suite.ts";
import { enqueueTests } from "./enqueue-suite.ts";
import { listTests } from "./job-list-suite.ts";
import { scheduleTests } from "./schedule-suite.ts";
import type { MakeStore } from "./store-world.ts";
import { timeTests } from "./time-suite.ts";
import { transactionTests } from "./transaction-suite.ts";
import { transitionTests } from "./transition-suite.ts";
import { workerTests } from "./worker-suite.ts";

/** Each test gets a world of its own from `makeStore`. */
export function storeSuite(name: string, makeStore: MakeStore): void {
  describe(name, () => {
    describe("enqueueJobs", () => enqueueTests(makeStore));
    describe("claimJobs", () => claimTests(makeStore));
    describe("applyTransitions", () => transitionTests(makeStore));
    describe("times", () => timeTests(makeStore));
    describe("listJobs", () => listTests(makeStore));
    describe("deletion", () => deletionTests(makeStore));
    describe("workers", () => workerTests(makeStore));
    describe("transactions", () => transactionTests(makeStore));
    describe("schedules", () => scheduleTests(makeStore));
  });
}
