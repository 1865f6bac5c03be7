/** `jobs enqueue --jsonl`: one job per line, sent in batches. */
import { WIRE_LIMITS } from "#proto/contract.ts";
import type { EnqueuedJob } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { EnqueueResult } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import { CliError, usageError } from "../exit.ts";
import { checkNewJob } from "../flags/check-new-job.ts";
import { type JobOptionsInit, optionsAsFlags, readJobOptions } from "../flags/job-options.ts";
import { argsBytes } from "../flags/read-input.ts";
import { parseExact } from "../text/json-text.ts";
import { didYouMean } from "../text/suggest.ts";
import { enqueueBatch, newJob, type NewJobInit } from "./enqueue.ts";
import { cliErrorFrom, cliErrorFromStatus } from "./rpc-errors.ts";

/** The outcome of one line. */
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
  /** Used for lines without "function". */
  readonly functionName: string | undefined;
  readonly options: JobOptionsInit;
}

// Half a message leaves room for the other fields of the batch and for framing.
const BATCH_BYTES = WIRE_LIMITS.messageBytes / 2;

type ReadLine = { readonly kind: "job"; readonly line: number; readonly job: NewJobInit } | LineFault;

/**
 * Enqueues every valid line and skips invalid ones. Sends the lines that have arrived without waiting for more. Yields
 * the outcomes of the lines, batch by batch. Batches that were stored stay stored if a later one fails.
 *
 * @throws CliError if the daemon is unreachable or refuses a whole batch; the message names the first line affected
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
    throw usageError(
      functionName === undefined ? `"function" is missing` : `invalid "function": ${JSON.stringify(functionName)}`,
      LINE_HINT,
    );
  const args = argsBytes(JSON.stringify(line["args"] ?? []), `"args"`);
  checkNewJob(functionName, args, "");
  return newJob(functionName, args, { ...defaults.options, ...lineOptions(line["options"]) });
}

const LINE_HINT = `example of a line: {"function":"mail:send","args":["a@b.c"],"options":{"maxAttempts":5}}`;

function parseLine(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = parseExact(text);
  } catch {
    // Reports the position of the syntax error.
    argsBytes(text, "the line");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw usageError("the line is not a JSON object", LINE_HINT);
}

function unknownKey(key: string): CliError {
  const meant = didYouMean(key, LINE_KEYS, (near) => `"${near}"`);
  return usageError(`unknown key ${JSON.stringify(key)}${meant}`, LINE_HINT);
}

function lineOptions(options: unknown): JobOptionsInit {
  if (options === undefined || options === null) return {};
  if (typeof options !== "object" || Array.isArray(options)) throw usageError(`"options" is not an object`, LINE_HINT);
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

const NO_ANSWER = { code: 13, message: "the daemon returned no result for this line" };

async function sendOrName(
  client: Client,
  jobs: readonly NewJobInit[],
  line: number,
): Promise<readonly EnqueueResult[]> {
  try {
    return await enqueueBatch(client, jobs);
  } catch (error) {
    const fault = cliErrorFrom(error);
    throw new CliError(fault.code, `lines from ${line} on were not confirmed: ${fault.message}`, {
      hint: fault.hint ?? "earlier lines are enqueued",
      cause: error,
    });
  }
}
