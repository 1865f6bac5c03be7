import type { CheckpointKind } from "./checkpoint.ts";

/** Why a record is not written under a name that is known. */
export type RecordConflict =
  { readonly kind: "repeated" } | { readonly kind: "conflict"; readonly known: CheckpointKind };

/** What a handler asks for under a name is always of one kind: else its code has changed. */
export function judgeRecord(kind: CheckpointKind, known: CheckpointKind): RecordConflict {
  return known === kind ? REPEATED : { kind: "conflict", known };
}

const REPEATED: RecordConflict = { kind: "repeated" };
