/** Determines how the failure that ended an attempt changes the job's records. */
import type { RecordRef } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Operation } from "./operation.ts";

/** What ended an attempt, as reported to the daemon. */
export interface AttemptEnding {
  readonly endedBy: RecordRef[];
  readonly loosened: RecordRef[];
}

/** A record that was delivered to the handler. */
export interface PlacedName {
  readonly name: string;
  readonly op: number;
}

/**
 * @param operations the operations whose failures the handler threw
 * @param given everything delivered to it, in order; waits that ended while it was parked share a place
 */
export function attemptEnding(operations: readonly Operation[], given: readonly PlacedName[]): AttemptEnding {
  const ended = new Set(operations.map(({ label }) => label));
  const first = given.findIndex(({ name }) => ended.has(name));
  const behind = first < 0 ? [] : given.slice(first).filter(({ name }) => !ended.has(name));
  return {
    endedBy: operations.map(({ label, id }) => ref(label, id)),
    loosened: behind.map(({ name, op }) => ref(name, op)),
  };
}

function ref(name: string, op: number): RecordRef {
  return { $typeName: "reseolio.v1.RecordRef", name, op };
}
