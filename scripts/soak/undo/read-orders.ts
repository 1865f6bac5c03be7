/** What the daemon has on record of orders and of the jobs that undo them. */
import { type Checkpoint, CheckpointKind, type Job, JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Client } from "../../../src/sdk/transport/client.ts";

/** A job that undoes an order. */
export interface UndoRecord {
  readonly jobId: string;
  /** The protocol's name of the state. */
  readonly state: string;
  /** Steps that its result lists as undone. */
  readonly undone: readonly string[];
  /** Failures other than lost workers, in words. */
  readonly complaints: readonly string[];
}

/** An order. */
export interface OrderRecord {
  readonly jobId: string;
  /** The protocol's name of the state. */
  readonly state: string;
  /** Names of the steps that can be undone, in the order in which the handler was given their results. */
  readonly steps: readonly string[];
  /** Failures other than lost workers, in words. */
  readonly complaints: readonly string[];
  readonly undoJobs: readonly UndoRecord[];
}

export async function readOrder({ jobs }: Client, jobId: string): Promise<OrderRecord> {
  const job = await getJob(jobs, jobId);
  const { jobs: children } = await jobs.listJobs({ filter: { parentId: jobId }, pageSize: 1_000 });
  const undoIds = children.filter(({ undoOf }) => undoOf === jobId).map((child) => child.jobId);
  const undoJobs = await Promise.all(undoIds.map((undoId) => getJob(jobs, undoId)));
  return {
    jobId,
    state: JobState[job.state],
    steps: stepsOf(job),
    complaints: complaintsOf(job),
    undoJobs: undoJobs.map((undo) => ({
      jobId: undo.jobId,
      state: JobState[undo.state],
      undone: undoneBy(undo),
      complaints: complaintsOf(undo),
    })),
  };
}

async function getJob(jobs: Client["jobs"], jobId: string): Promise<Job> {
  const { job } = await jobs.getJob({ jobId });
  if (job === undefined) throw new Error(`there is no job ${jobId}`);
  return job;
}

function stepsOf({ checkpoints }: Job): readonly string[] {
  return checkpoints
    .filter(({ kind, undo, error }) => kind === CheckpointKind.STEP && undo && error === undefined)
    .toSorted((one, other) => placeOf(one) - placeOf(other))
    .map(({ name }) => name);
}

/** Records that the handler was never given come last. */
function placeOf({ seq }: Checkpoint): number {
  return seq === 0 ? Number.MAX_SAFE_INTEGER : seq;
}

function undoneBy({ result }: Job): readonly string[] {
  if (result.length === 0) return [];
  return (JSON.parse(new TextDecoder().decode(result)) as { readonly undone: readonly string[] }).undone;
}

/** Only the last mismatch is recorded, and only until a later loss. */
function complaintsOf({ attempts, error, checkpoints }: Job): readonly string[] {
  const failed = attempts.filter(({ outcome }) => outcome !== "lost" && outcome !== "cancelled");
  const notes = checkpoints.filter(({ kind }) => kind === CheckpointKind.NOTE);
  return [
    ...failed.map(({ attempt, outcome, error }) => `attempt ${attempt} ${outcome}: ${error?.message ?? ""}`),
    ...(error?.reason === "replay_mismatch" ? [error.message] : []),
    ...notes.map(({ name, value }) => `note ${name}: ${new TextDecoder().decode(value)}`),
  ];
}
