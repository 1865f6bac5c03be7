import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Job } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { JobFilterSchema } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { uuidV7 } from "#proto/uuid-v7.ts";
import { ReseolioError } from "../errors.ts";
import type { JobDetails } from "../job-details.ts";
import type { JobPage, JobQuery } from "../job-query.ts";
import { checkChoice, checkDate, checkNames } from "../options/option-faults.ts";
import { checkName } from "../replay/checkpoint-names.ts";
import type { SentSignal } from "../sent-messages.ts";
import { encodeValue } from "../serialization.ts";
import type { Client } from "../transport/client.ts";
import { JOB_STATES, jobDetailsOf, jobStateOf } from "./decode-job.ts";
import { pageSizeOf, type UnaryCalls } from "./unary-calls.ts";

/** Reads and changes single jobs. While the session is broken, calls wait for it. */
export class JobsClient {
  readonly #client: Client;
  readonly #calls: UnaryCalls;

  constructor(client: Client, calls: UnaryCalls) {
    this.#client = client;
    this.#calls = calls;
  }

  /** @throws ReseolioError `not_found` */
  async getJob(jobId: string): Promise<JobDetails> {
    const response = await this.#calls.repeat(() => this.#client.jobs.getJob({ jobId }));
    return jobDetailsOf(demandJob(response.job, jobId));
  }

  async listJobs(query: JobQuery): Promise<JobPage> {
    checkQuery(query);
    const request = { filter: filterOf(query), pageSize: pageSizeOf(query.limit), pageToken: query.pageToken ?? "" };
    const { jobs, nextPageToken } = await this.#calls.repeat(() => this.#client.jobs.listJobs(request));
    return { jobs: jobs.map(jobDetailsOf), ...(nextPageToken === "" ? {} : { nextPageToken }) };
  }

  /**
   * Not retried when the answer is lost: the second answer would be false although the first call cancelled the job.
   */
  async cancelJob(jobId: string): Promise<boolean> {
    return (await this.#calls.once(() => this.#client.jobs.cancelJob({ jobId }))).cancelled;
  }

  async retryJob(jobId: string): Promise<void> {
    await this.#calls.once(() => this.#client.jobs.retryJob({ jobId }));
  }

  /**
   * Retries a job that its parent calls again. The call is repeated while the daemon is away: it fails with
   * `failed_precondition` if an earlier call already retried the job, which is fine.
   */
  async retryChild(jobId: string, awaitedBy: string): Promise<void> {
    try {
      await this.#calls.repeat(() => this.#client.jobs.retryJob({ jobId, awaitedBy }));
    } catch (error) {
      if (!(error instanceof ReseolioError) || error.code !== "failed_precondition") throw error;
    }
  }

  /** Retried while the daemon is away, with the same signal ID, so that the signal is sent once. */
  async signal(jobId: string, name: string, payload: unknown): Promise<SentSignal> {
    checkName("the name of the signal", name);
    const bytes = encodeValue(`signal ${JSON.stringify(name)}`, "payload", payload);
    const request = { jobId, name, payload: bytes, signalId: uuidV7() };
    const { taken } = await this.#calls.repeat(() => this.#client.jobs.sendSignal(request));
    return { taken };
  }
}

const QUERY_NAMES: ReadonlySet<string> = new Set<keyof JobQuery>([
  "status",
  "name",
  "ids",
  "idempotencyKey",
  "parentId",
  "schedule",
  "createdAfter",
  "createdBefore",
  "limit",
  "pageToken",
]);

/** Rejects unknown names: a misspelt filter would list everything. @throws ReseolioError `invalid_argument` */
function checkQuery(query: JobQuery): void {
  const faults: string[] = [];
  checkNames(query, QUERY_NAMES, faults);
  for (const status of listOf(query.status)) checkChoice("status", status, Object.keys(JOB_STATES), faults);
  checkDate("createdAfter", query.createdAfter, faults);
  checkDate("createdBefore", query.createdBefore, faults);
  if (faults.length > 0) throw new ReseolioError("invalid_argument", `listJobs: ${faults.join("; ")}`);
}

function filterOf(query: JobQuery): MessageInitShape<typeof JobFilterSchema> {
  return {
    states: listOf(query.status).map(jobStateOf),
    functionNames: listOf(query.name),
    jobIds: [...(query.ids ?? [])],
    idempotencyKey: query.idempotencyKey ?? "",
    parentId: query.parentId ?? "",
    scheduleName: query.schedule ?? "",
    ...(query.createdAfter === undefined ? {} : { createdAfter: timestampFromDate(query.createdAfter) }),
    ...(query.createdBefore === undefined ? {} : { createdBefore: timestampFromDate(query.createdBefore) }),
  };
}

function listOf<T extends string>(value: T | readonly T[] | undefined): T[] {
  if (value === undefined) return [];
  return typeof value === "string" ? [value] : [...value];
}

function demandJob(job: Job | undefined, jobId: string): Job {
  if (job !== undefined) return job;
  throw new ReseolioError("internal", `the daemon's response does not contain job ${jobId}`);
}
