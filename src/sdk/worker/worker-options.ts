import type { Assignment, FinishedJob } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Logger } from "../logger.ts";
import type { EmittedEvent } from "../sent-messages.ts";
import type { Batcher } from "../session/batcher.ts";
import type { TestHooks } from "../workflow/test-hooks.ts";
import type { Registry } from "./registry.ts";

/** What a worker needs to reach the daemon. */
export interface WorkerPort {
  readonly batcher: Pick<Batcher, "report" | "dropReports" | "record" | "heartbeat" | "wake">;
  watchEnd(jobId: string, onEnd: (job: FinishedJob) => void): () => void;
  emitEvent(name: string, payload: unknown): Promise<EmittedEvent>;
  retryJob(jobId: string, awaitedBy: string): Promise<void>;
}

/** Called when handlers start and end. Must not throw. */
export interface WorkerEvents {
  readonly onStart: (assignment: Assignment) => void;
  readonly onSuccess: (assignment: Assignment, result: unknown) => void;
  readonly onError: (assignment: Assignment, error: unknown) => void;
}

export interface WorkerOptions {
  readonly concurrency: number;
  readonly maxParkedHandlers: number;
  readonly registry: Registry;
  readonly port: WorkerPort;
  readonly events: WorkerEvents;
  readonly logger: Logger;
  /** The client, passed to contexts so that calls made inside handlers become children. */
  readonly owner: object;
  readonly testHooks: TestHooks;
}
