/** How the waits and checkpoints of a job are printed. */
import { shownName } from "#proto/contract.ts";
import { type Checkpoint, CheckpointKind, type PendingWait } from "#proto/gen/reseolio/v1/job_pb.ts";
import { relativeTime } from "../text/instant.ts";
import { fromTimestamp, isoTime } from "../text/timestamps.ts";

const KIND_NAMES: Readonly<Record<CheckpointKind, string>> = {
  [CheckpointKind.UNSPECIFIED]: "unknown",
  [CheckpointKind.STEP]: "step",
  [CheckpointKind.SLEEP]: "sleep",
  [CheckpointKind.EVENT]: "event",
  [CheckpointKind.VALUE]: "value",
  [CheckpointKind.CHOICE]: "choice",
  [CheckpointKind.JOB]: "job",
  [CheckpointKind.SIGNAL]: "signal",
  [CheckpointKind.TRY]: "try",
  [CheckpointKind.NOTE]: "note",
};

/** The name of a kind; "unknown" for kinds that this version does not know. */
function kindName(kind: CheckpointKind): string {
  return KIND_NAMES[kind] ?? "unknown";
}

export function waitJson(wait: PendingWait): Record<string, unknown> {
  return {
    name: wait.name,
    kind: kindName(wait.kind),
    dueAt: isoTime(wait.dueAt),
    eventName: wait.eventName === "" ? null : wait.eventName,
    jobId: wait.jobId === "" ? null : wait.jobId,
    signalName: wait.signalName === "" ? null : wait.signalName,
  };
}

/** One line per wait; undefined if the job waits for nothing. */
export function waitsText(waits: readonly PendingWait[], now: number): string | undefined {
  return waits.length === 0 ? undefined : waits.map((wait) => waitLine(wait, now)).join("\n");
}

function waitLine(wait: PendingWait, now: number): string {
  const at = fromTimestamp(wait.dueAt);
  const until = at === null ? "" : ` until ${new Date(at).toISOString()} (${relativeTime(at, now)})`;
  switch (wait.kind) {
    case CheckpointKind.SLEEP:
      return `sleep ${shownName(wait.name)}${until}`;
    case CheckpointKind.EVENT:
      return `event ${wait.eventName}${until}`;
    case CheckpointKind.JOB:
      return `job ${wait.jobId}`;
    case CheckpointKind.SIGNAL:
      return `signal ${wait.signalName}${until}`;
    case CheckpointKind.STEP:
    case CheckpointKind.VALUE:
    case CheckpointKind.CHOICE:
    case CheckpointKind.TRY:
    case CheckpointKind.NOTE:
    case CheckpointKind.UNSPECIFIED:
      return `${kindName(wait.kind)} ${wait.name}${until}`;
  }
}

export function checkpointJson(checkpoint: Checkpoint): Record<string, unknown> {
  return {
    name: checkpoint.name,
    kind: kindName(checkpoint.kind),
    recordedAt: isoTime(checkpoint.recordedAt),
    error: checkpoint.error === undefined ? null : `${checkpoint.error.name}: ${checkpoint.error.message}`,
    timedOut: checkpoint.timedOut,
    seq: checkpoint.op === undefined ? null : checkpoint.seq,
    endedAttempt: checkpoint.endedAttempt,
  };
}

/** One line per checkpoint, in the order in which they were recorded; undefined without any. */
export function checkpointsText(checkpoints: readonly Checkpoint[]): string | undefined {
  // The end of a wait is shown with the wait.
  const shown = checkpoints.filter(({ kind, name }) => kind !== CheckpointKind.NOTE || !name.startsWith("due:"));
  return shown.length === 0 ? undefined : shown.map(checkpointLine).join("\n");
}

function checkpointLine(checkpoint: Checkpoint): string {
  const { name, error, timedOut, endedAttempt } = checkpoint;
  const outcome = error === undefined ? (timedOut ? " timed out" : "") : ` failed: ${error.name}: ${error.message}`;
  const consequence = endedAttempt ? " (ended an attempt; the next attempt tries it again)" : "";
  return `${kindName(checkpoint.kind)} ${shownName(name)}${outcome}${consequence}`;
}
