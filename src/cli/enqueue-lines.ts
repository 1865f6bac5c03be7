/** `jobs enqueue --jsonl`: one job a line, sent in batches. */
import { WIRE_LIMITS } from "#proto/contract.ts";
import type { EnqueuedJob } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { EnqueueResult } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import type { Client } from "../sdk/client.ts";
import { checkNewJob, enqueueBatch, newJob, type NewJobInit } from "./enqueue.ts";
import { CliError, usageError } from "./exit.ts";
import { type JobOptionsInit, optionsAsFlags, readJobOptions } from "./job-options.ts";
import { parseExact } from "./json-text.ts";
import { argsBytes } from "./read-input.ts";
import { cliErrorFrom, cliErrorFromStatus } from "./rpc-errors.ts";
import { suggest } from "./suggest.ts";

/** A line's job that was stored or found. */
export interface EnqueuedLine {
  readonly line: number;
  readonly functionName: string;
  readonly jobId: string;
  readonly job: EnqueuedJob;
}

export interface LineFault {
  readonly line: number;
  readonly error: CliError;
}

export interface LineDefaults {
  /** For lines that name no function. */
  readonly functionName: string | undefined;
  readonly options: JobOptionsInit;
}

type OnFault = (fault: LineFault) => void;

// Half a message: the batch's other fields and its framing fit beside it.
const BATCH_BYTES = WIRE_LIMITS.messageBytes / 2;

interface NumberedJob {
  readonly line: number;
  readonly job: NewJobInit;
}

/**
 * Enqueues every line that is sound, batch by batch, and reports the others; a faulty line stops nothing. Yields what
 * was stored after each batch; stored batches stay stored when a later one fails.
 *
 * @throws CliError when the daemon is away or refuses a whole batch; the message says from which line on
 */
export async function* enqueueLines(
  client: Client,
  lines: AsyncIterable<string>,
  defaults: LineDefaults,
  onFault: OnFault,
): AsyncGenerator<readonly EnqueuedLine[]> {
  for await (const batch of batches(lines, defaults, onFault)) {
    const results = await sendOrName(client, batch);
    yield batch.flatMap((one, index) => storedLine(one, results[index], onFault));
  }
}

async function* batches(
  lines: AsyncIterable<string>,
  defaults: LineDefaults,
  onFault: OnFault,
): AsyncGenerator<readonly NumberedJob[]> {
  let batch: NumberedJob[] = [];
  let bytes = 0;
  let number = 0;
  for await (const text of lines) {
    const job = readLine(text, ++number, defaults, onFault);
    if (job === null) continue;
    if (batch.length === WIRE_LIMITS.batchItems || (batch.length > 0 && bytes + job.args.length > BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push({ line: number, job });
    bytes += job.args.length;
  }
  if (batch.length > 0) yield batch;
}

function readLine(text: string, line: number, defaults: LineDefaults, onFault: OnFault): NewJobInit | null {
  if (text.trim() === "") return null;
  try {
    return jobOfLine(text, defaults);
  } catch (error) {
    onFault({ line, error: cliErrorFrom(error) });
    return null;
  }
}

const LINE_KEYS = ["function", "args", "options"];

/** @throws CliError `usage` */
export function jobOfLine(text: string, defaults: LineDefaults): NewJobInit {
  const line = parseLine(text);
  for (const key of Object.keys(line)) if (!LINE_KEYS.includes(key)) throw unknownKey(key);
  const functionName = line["function"] ?? defaults.functionName;
  if (typeof functionName !== "string")
    throw usageError(`"function" is ${JSON.stringify(functionName) ?? "missing"}`, LINE_HINT);
  const args = argsBytes(JSON.stringify(line["args"] ?? []), `"args"`);
  checkNewJob(functionName, args, "");
  return newJob(functionName, args, { ...defaults.options, ...lineOptions(line["options"]) });
}

const LINE_HINT = `a line looks like {"function":"mail:send","args":["a@b.c"],"options":{"maxAttempts":5}}`;

function parseLine(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = parseExact(text);
  } catch {
    // The reader of args tells where the fault is.
    argsBytes(text, "the line");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw usageError(`the line is no JSON object`, LINE_HINT);
}

function unknownKey(key: string): CliError {
  const near = suggest(key, LINE_KEYS);
  return usageError(
    `there is no key ${JSON.stringify(key)}${near === undefined ? "" : `; did you mean "${near}"?`}`,
    LINE_HINT,
  );
}

function lineOptions(options: unknown): JobOptionsInit {
  if (options === undefined || options === null) return {};
  if (typeof options !== "object" || Array.isArray(options)) throw usageError(`"options" is no object`, LINE_HINT);
  const given = readJobOptions(optionsAsFlags(options as Record<string, unknown>));
  const { headers, ...others } = given;
  return headers === undefined || Object.keys(headers).length === 0 ? others : given;
}

function storedLine({ line, job }: NumberedJob, item: EnqueueResult | undefined, onFault: OnFault): EnqueuedLine[] {
  const result = item?.result;
  if (result?.case === "job") {
    const jobId = result.value.jobId === "" ? job.jobId : result.value.jobId;
    return [{ line, functionName: job.functionName ?? "", jobId, job: result.value }];
  }
  onFault({ line, error: cliErrorFromStatus(result?.value ?? NO_ANSWER) });
  return [];
}

const NO_ANSWER = { code: 13, message: "the daemon gave no answer for this line" };

async function sendOrName(client: Client, batch: readonly NumberedJob[]): ReturnType<typeof enqueueBatch> {
  try {
    return await enqueueBatch(
      client,
      batch.map(({ job }) => job),
    );
  } catch (error) {
    const fault = cliErrorFrom(error);
    throw new CliError(fault.code, `from line ${batch[0]?.line ?? 1} on nothing was confirmed: ${fault.message}`, {
      hint: fault.hint ?? "the lines before are stored",
      cause: error,
    });
  }
}
