/** The waits of a handler: each is recorded when it is over, and is over at once in every later execution. */
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { FinishedJob } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { AwaitEventOptions } from "../context.ts";
import { decideFirst } from "./decide-first.ts";
import { DurableWait, type WaitEnd } from "./durable-wait.ts";
import { ReseolioError, ResultTimeoutError } from "../errors.ts";
import type { Execution } from "./execution.ts";
import { endOf, jobWait } from "./job-wait.ts";
import { checkMs, checkTime } from "../option-faults.ts";
import { decodeValue } from "../serialization.ts";
import { EventTimeoutError } from "./workflow-errors.ts";

export async function sleepFor(execution: Execution, name: string, ms: number): Promise<void> {
  await sleep(execution, execution.journal.takeName(name), ms);
}

export async function sleepUntil(execution: Execution, name: string, at: Date): Promise<void> {
  const time = checkTime(`sleepUntil ${JSON.stringify(name)}: at`, at);
  const label = execution.journal.takeName(name);
  if (execution.journal.find(label, CheckpointKind.SLEEP) !== undefined) return;
  await execution.wait(new DurableWait(label, { kind: "sleep_until", at: time }, execution.clock));
}

/** @param label a name that was taken already */
export async function sleep(execution: Execution, label: string, ms: number): Promise<void> {
  if (execution.journal.find(label, CheckpointKind.SLEEP) !== undefined) return;
  await execution.wait(new DurableWait(label, { kind: "sleep_for", ms }, execution.clock));
}

export async function awaitEvent(
  execution: Execution,
  eventName: string,
  options: AwaitEventOptions,
): Promise<unknown> {
  const timeoutMs = timeoutOf(eventName, options);
  const label = execution.journal.takeName(eventName);
  const recorded = execution.journal.find(label, CheckpointKind.EVENT);
  const end: WaitEnd =
    recorded === undefined
      ? await execution.wait(new DurableWait(label, { kind: "event", eventName, timeoutMs }, execution.clock))
      : { kind: "event", checkpoint: recorded };
  return payloadOf(execution, eventName, timeoutMs, end);
}

function timeoutOf(eventName: string, options: AwaitEventOptions): number | undefined {
  const what = `awaitEvent ${JSON.stringify(eventName)}:`;
  for (const option of Object.keys(options)) {
    if (option === "timeoutMs") continue;
    throw new ReseolioError("invalid_argument", `${what} option ${option} does not exist; the option is timeoutMs`);
  }
  return options.timeoutMs === undefined ? undefined : checkMs(`${what} timeoutMs`, options.timeoutMs);
}

/** @throws EventTimeoutError */
export function payloadOf(
  { host }: Execution,
  eventName: string,
  timeoutMs: number | undefined,
  end: WaitEnd,
): unknown {
  const checkpoint: Checkpoint | null = end.kind === "event" ? end.checkpoint : null;
  if (checkpoint === null || checkpoint.timedOut) throw new EventTimeoutError(eventName, timeoutMs ?? 0);
  return decodeValue(host.functionName, `event ${JSON.stringify(eventName)}`, checkpoint.value);
}

/**
 * The end of a job, without the slot until then. With `timeoutMs` it is recorded whether the job or the timeout came
 * first, so that every execution sees the same.
 *
 * @throws ResultTimeoutError
 */
export async function awaitJob(
  execution: Execution,
  jobId: string,
  timeoutMs: number | undefined,
): Promise<FinishedJob> {
  if (jobId === execution.host.jobId) {
    throw new ReseolioError("failed_precondition", `job ${jobId} awaits its own end, which would never come`);
  }
  execution.check();
  if (timeoutMs === undefined) return endOf(await jobWait(execution, jobId).promise);
  const label = execution.journal.takeName(`result:${jobId}`);
  const first = await decideFirst(execution, label, [
    { kind: "job", jobId },
    { kind: "sleep_for", ms: timeoutMs },
  ]);
  if (first.index === 1) throw new ResultTimeoutError(jobId, timeoutMs);
  return endOf(first.end);
}
