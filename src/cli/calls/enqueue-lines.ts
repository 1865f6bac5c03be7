/** `jobs enqueue --jsonl`: one job a line, sent in batches. */
import { WIRE_LIMITS } from "#proto/contract.ts";
import type { EnqueuedJob } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { EnqueueResult } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import { checkNewJob, enqueueBatch, newJob, type NewJobInit } from "./enqueue.ts";
import { CliError, usageError } from "../exit.ts";
import { type JobOptionsInit, optionsAsFlags, readJobOptions } from "../flags/job-options.ts";
import { parseExact } from "../terminal/json-text.ts";
import { argsBytes } from "../flags/read-input.ts";
import { cliErrorFrom, cliErrorFromStatus } from "./rpc-errors.ts";
import { suggest } from "../flags/suggest.ts";

/** What became of a line. */
export type LineOutcome =
  | {
      readonly kind: "enqueued";
      readonly line: number;
      readonly functionName: string;
      readonly jobId: string;
      readonly job: EnqueuedJob;
    }
  | LineFault;

interface LineFault {
  readonly kind: "fault";
  readonly line: number;
  readonly error: CliError;
}

export interface LineDefaults {
  /** For lines that name no function. */
  readonly functionName: string | undefined;
  readonly options: JobOptionsInit;
}

// Half a message: the batch's other fields and its framing fit beside it.
const BATCH_BYTES = WIRE_LIMITS.messageBytes / 2;

type ReadLine = { readonly kind: "job"; readonly line: number; readonly job: NewJobInit } | LineFault;

/**
 * Enqueues every line that is sound; a faulty line stops nothing. What has come is sent without waiting for more.
 * Yields what became of the lines, batch by batch; stored batches stay stored when a later one fails.
 *
 * @throws CliError when the daemon is away or refuses a whole batch; the message says from which line on
 */
export async function* enqueueLines(
  client: Client,
  pages: AsyncIterable<readonly string[]>,
  defaults: LineDefaults,
): AsyncGenerator<readonly LineOutcome[]> {
  let number = 0;
  for await (const texts of pages) {
    const lines = texts.flatMap((text) => readLine(text, ++number, defaults));
    for (const batch of batches(lines)) yield await sendBatch(client, batch);
  }
}

function* batches(lines: readonly ReadLine[]): Generator<readonly ReadLine[]> {
  let batch: ReadLine[] = [];
  let bytes = 0;
  for (const line of lines) {
    const size = line.kind === "job" ? line.job.args.length : 0;
    if (batch.length === WIRE_LIMITS.batchItems || (batch.length > 0 && bytes + size > BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(line);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

function readLine(text: string, line: number, defaults: LineDefaults): ReadLine[] {
  if (text.trim() === "") return [];
  try {
    return [{ kind: "job", line, job: jobOfLine(text, defaults) }];
  } catch (error) {
    return [{ kind: "fault", line, error: cliErrorFrom(error) }];
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

async function sendBatch(client: Client, batch: readonly ReadLine[]): Promise<readonly LineOutcome[]> {
  const jobs = batch.flatMap((line) => (line.kind === "job" ? [line.job] : []));
  const results = jobs.length === 0 ? [] : await sendOrName(client, jobs, batch[0]?.line ?? 1);
  let next = 0;
  return batch.map((line) => (line.kind === "fault" ? line : outcomeOf(line.line, line.job, results[next++])));
}

function outcomeOf(line: number, job: NewJobInit, item: EnqueueResult | undefined): LineOutcome {
  const result = item?.result;
  if (result?.case !== "job") {
    return { kind: "fault", line, error: cliErrorFromStatus(result?.value ?? NO_ANSWER) };
  }
  const jobId = result.value.jobId === "" ? job.jobId : result.value.jobId;
  return { kind: "enqueued", line, functionName: job.functionName ?? "", jobId, job: result.value };
}

const NO_ANSWER = { code: 13, message: "the daemon gave no answer for this line" };

async function sendOrName(
  client: Client,
  jobs: readonly NewJobInit[],
  line: number,
): Promise<readonly EnqueueResult[]> {
  try {
    return await enqueueBatch(client, jobs);
  } catch (error) {
    const fault = cliErrorFrom(error);
    throw new CliError(fault.code, `from line ${line} on nothing was confirmed: ${fault.message}`, {
      hint: fault.hint ?? "the lines before are stored",
      cause: error,
    });
  }
}
