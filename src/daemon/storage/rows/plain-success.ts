import type { Transition } from "../../core/job-machine.ts";

/** Whether a transition is the one that nearly every job goes through, which changes few columns and indexes. */
export function isPlainSuccess({ expected, change, ended }: Transition): boolean {
  return (
    change.state === "SUCCESS" &&
    expected.state === "RUNNING" &&
    ended === null &&
    change.result !== undefined &&
    change.startedAt !== undefined &&
    change.error === undefined &&
    change.attempt === undefined &&
    change.failures === undefined &&
    change.losses === undefined &&
    change.revokeLease === undefined &&
    change.clearDeadlines === undefined &&
    change.ranMs === undefined
  );
}

/** False for a job that is in its first lease: it has not been parked. */
export function mayHaveWaits({ state, leaseToken }: Transition["expected"]): boolean {
  return leaseToken > 1 || (leaseToken === 1 && state !== "RUNNING");
}
