import type { AwaitSource, FirstOf } from "../context.ts";
import { JobFailedError, ReseolioError } from "../errors.ts";
import { checkJobId, type JobHandle } from "../job-handle.ts";
import { checkMs, checkTime, show } from "../options/option-faults.ts";
import { checkName } from "../replay/checkpoint-names.ts";
import type { Operation } from "../replay/operation.ts";
import { decodeValue } from "../serialization.ts";
import { resultOf } from "../session/awaited-jobs.ts";
import { decideFirst } from "./decide-first.ts";
import type { Awaited as AwaitedThing, WaitEnd } from "./durable-wait.ts";
import type { Execution } from "./execution.ts";
import { endOf } from "./job-wait.ts";

export async function awaitAny<const Sources extends readonly AwaitSource[]>(
  execution: Execution,
  operation: Operation,
  sources: Sources,
): Promise<FirstOf<Sources>> {
  const awaited = awaitedOf(operation.name, sources);
  const { index, end } = await decideFirst(execution, operation, awaited);
  // The types of the values come from the sources; at run time they are JSON.
  return { index, value: valueOf(execution, operation, end) } as FirstOf<Sources>;
}

function valueOf({ host, replay }: Execution, operation: Operation, end: WaitEnd): unknown {
  switch (end.kind) {
    case "job":
      return resultOf(endOf(end), (error) => {
        if (error instanceof JobFailedError) replay.failures.give(error, operation);
      });
    case "message":
      return decodeValue(host.functionName, `event of ${JSON.stringify(operation.label)}`, end.checkpoint.value);
    case "slept":
      return null;
  }
}

function awaitedOf(name: string, sources: readonly AwaitSource[]): readonly AwaitedThing[] {
  const fault = (what: string): ReseolioError =>
    new ReseolioError("invalid_argument", `awaitAny ${JSON.stringify(name)}: ${what}`);
  if (!Array.isArray(sources) || sources.length === 0) throw fault("pass a list of at least one thing to await");
  return sources.map((source: AwaitSource): AwaitedThing => {
    if (typeof source !== "object" || source === null || Object.keys(source).length !== 1) {
      throw fault(`${show(source)} is not one thing to await; ${FORMS}`);
    }
    if ("event" in source) {
      checkName("event", source.event);
      return { kind: "event", eventName: source.event, timeoutMs: undefined, sinceStart: false };
    }
    if ("job" in source) return { kind: "job", jobId: jobIdOf(source.job) };
    if ("sleepFor" in source) return { kind: "sleep_for", ms: checkMs("sleepFor", source.sleepFor) };
    if ("sleepUntil" in source) return { kind: "sleep_until", at: checkTime("sleepUntil", source.sleepUntil) };
    throw fault(`${show(source)} cannot be awaited; ${FORMS}`);
  });
}

const FORMS = "use { event }, { job }, { sleepFor } or { sleepUntil }";

function jobIdOf(job: JobHandle): string {
  const jobId: unknown = typeof job === "object" && job !== null ? job.jobId : job;
  checkJobId(jobId);
  return jobId;
}
