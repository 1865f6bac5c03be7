import { describe, expect, test } from "bun:test";
import { checkClaims, type Evidence } from "../../../scripts/demo/claims.ts";

/** Two webhooks, one kill after the third request, in which the second attempt of `b` was lost. */
const good: Evidence = {
  webhooks: ["a", "b"],
  acknowledged: [
    { webhook: "a", jobId: "1" },
    { webhook: "b", jobId: "2" },
    { webhook: "a", jobId: "1" },
  ],
  stored: [
    { jobId: "1", webhook: "a", state: "SUCCESS", attempt: 2, failures: 1, losses: 0 },
    { jobId: "2", webhook: "b", state: "SUCCESS", attempt: 3, failures: 1, losses: 1 },
  ],
  deliveries: [
    { webhook: "a", attempt: 1, status: 503 },
    { webhook: "b", attempt: 1, status: 503 },
    { webhook: "b", attempt: 2, status: 503 },
    { webhook: "a", attempt: 2, status: 200 },
    { webhook: "b", attempt: 3, status: 200 },
  ],
  kills: [3],
};

function faultsOf(evidence: Evidence): readonly string[] {
  return checkClaims(evidence).flatMap((claim) => claim.faults);
}

function withStored(changes: Partial<Evidence["stored"][number]>): Evidence {
  return { ...good, stored: good.stored.map((job) => (job.jobId === "2" ? { ...job, ...changes } : job)) };
}

describe("the demo's claims", () => {
  test("hold for a run in which all went well", () => {
    expect(checkClaims(good)).toHaveLength(4);
    expect(faultsOf(good)).toEqual([]);
  });

  test("fail for an acknowledged job that is not in the file", () => {
    expect(faultsOf({ ...good, stored: good.stored.slice(0, 1) })[0]).toContain("b: job 2 was acknowledged");
  });

  test("fail for a webhook that is stored twice", () => {
    const doubled = [...good.stored, { ...good.stored[0]!, jobId: "3" }];
    expect(faultsOf({ ...good, stored: doubled })).toContain("a: 2 jobs, not 1");
  });

  test("fail for a webhook that was never acknowledged", () => {
    expect(faultsOf({ ...good, acknowledged: good.acknowledged.slice(0, 1) })).toContain("b: never acknowledged");
  });

  test("fail for a job that is not SUCCESS", () => {
    expect(faultsOf(withStored({ state: "PENDING" }))).toContain("b: the file says PENDING");
  });

  test("fail for a webhook that was accepted twice", () => {
    const deliveries = [...good.deliveries, { webhook: "a", attempt: 3, status: 200 }];
    expect(faultsOf({ ...good, deliveries })).toContain("a: accepted 2 times");
  });

  test("fail for a kill before the first retry and for one after the last", () => {
    expect(faultsOf({ ...good, kills: [0] })).toEqual(["kill 1: no webhook was being retried"]);
    expect(faultsOf({ ...good, kills: [3, 5] })).toEqual(["kill 2: no webhook was being retried"]);
    expect(faultsOf({ ...good, kills: [] })).toEqual(["nothing was killed"]);
  });

  test("fail for an attempt number that is used twice or starts anew", () => {
    const deliveries = good.deliveries.map((one, index) => (index === 4 ? { ...one, attempt: 1 } : one));
    expect(faultsOf({ ...good, deliveries })).toContain("b: the receiver saw the attempts 1, 2, 1");
  });

  test("fail when file and receiver disagree about the last attempt or its history", () => {
    expect(faultsOf(withStored({ attempt: 4 }))[0]).toContain("the file says 4");
    expect(faultsOf(withStored({ losses: 0 }))[0]).toContain("1 failed and 0 were lost");
  });
});
