import { create } from "@bufbuild/protobuf";
import { type Checkpoint, CheckpointKind, CheckpointSchema } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Outcome, Park, SessionRequest } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Context } from "../../../src/sdk/context.ts";
import { context } from "../../../src/sdk/replay/scope.ts";
import type { ReseolioOptions } from "../../../src/sdk/reseolio-options.ts";
import { Reseolio } from "../../../src/sdk/reseolio.ts";
import { type ScriptedDaemon, type ScriptedSession, startScriptedDaemon } from "./scripted-daemon.ts";

/** A client with one function, `t:flow`, and the daemon's side of its session in the test's hands. */
export class WorkflowWorld implements AsyncDisposable {
  private constructor(
    readonly daemon: ScriptedDaemon,
    readonly client: Reseolio,
    public session: ScriptedSession,
  ) {}

  static async start(
    flow: (flow: Context, ...args: never[]) => unknown,
    options: ReseolioOptions = {},
  ): Promise<WorkflowWorld> {
    const daemon = await startScriptedDaemon();
    const client = new Reseolio({
      address: daemon.address,
      autoStart: false,
      drainTimeoutMs: 2_000,
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      workerConcurrency: 1,
      ...options,
    });
    client.durable("t:flow", (...args: never[]) => flow(context(), ...args));
    const started = client.start();
    const session = await daemon.nextSession();
    session.welcome();
    await started;
    return new WorkflowWorld(daemon, client, session);
  }

  assign(jobId: string, leaseToken = 1, more: AssignOptions = {}): void {
    const { checkpoints = [], args = [], ...facts } = more;
    this.session.send({
      checkpoints: checkpoints.map((checkpoint) => ({ jobId, leaseToken, checkpoint })),
      assignments: [
        {
          jobId,
          leaseToken,
          functionName: "t:flow",
          attempt: 1,
          maxAttempts: 3,
          args: jsonBytes(args),
          checkpointCount: checkpoints.length,
          ...facts,
        },
      ],
    });
  }

  resume(jobId: string, leaseToken: number, checkpoints: readonly Checkpoint[] = []): void {
    this.assign(jobId, leaseToken, { resumed: true, checkpoints });
  }

  /** The next frame that carries something that matches; the ones before it are answered, it is not. */
  frame(matches: (frame: SessionRequest) => boolean): Promise<SessionRequest> {
    return this.session.nextMatching(matches);
  }

  /** The next outcome; its frame is answered. */
  async outcome(): Promise<Outcome> {
    const frame = await this.frame(({ outcomes }) => outcomes.length > 0);
    this.session.reply(frame);
    return frame.outcomes[0] as Outcome;
  }

  async park(): Promise<Park> {
    const { outcome } = await this.outcome();
    if (outcome.case !== "park") throw new Error(`the handler ended with ${outcome.case} instead of parking`);
    return outcome.value;
  }

  async success(): Promise<unknown> {
    const { outcome } = await this.outcome();
    if (outcome.case === "failure") throw new Error(`the handler failed: ${outcome.value.error?.message}`);
    if (outcome.case !== "success") throw new Error(`the handler ended with ${outcome.case}`);
    return JSON.parse(new TextDecoder().decode(outcome.value));
  }

  async failure(): Promise<{ readonly name: string; readonly message: string; readonly terminal: boolean }> {
    const { outcome } = await this.outcome();
    if (outcome.case !== "failure") throw new Error(`the handler ended with ${outcome.case}`);
    const { error, terminal } = outcome.value;
    return { name: error?.name ?? "", message: error?.message ?? "", terminal };
  }

  /** The next checkpoints; their frame is answered. */
  async recorded(): Promise<Checkpoint[]> {
    const frame = await this.frame(({ checkpoints }) => checkpoints.length > 0);
    this.session.reply(frame);
    return frame.checkpoints.flatMap(({ checkpoint }) => (checkpoint === undefined ? [] : [checkpoint]));
  }

  /** Breaks the connection; the client's next session is in its place, not welcomed yet. */
  async cut(): Promise<ScriptedSession> {
    this.daemon.cut();
    this.session = await this.daemon.nextSession();
    return this.session;
  }

  /** Answers everything from now on. */
  answerAll(): void {
    const answer = async (): Promise<void> => {
      for (;;) this.session.reply(await this.session.next(60_000));
    };
    void answer().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.answerAll();
    await this.client.stop();
    await this.daemon.stop();
  }
}

interface AssignOptions {
  readonly attempt?: number;
  readonly resumed?: boolean;
  readonly failures?: number;
  readonly timeoutMs?: number;
  readonly checkpoints?: readonly Checkpoint[];
  readonly args?: readonly unknown[];
}

export function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

export function jsonOf(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}

const KINDS = {
  step: CheckpointKind.STEP,
  sleep: CheckpointKind.SLEEP,
  event: CheckpointKind.EVENT,
  value: CheckpointKind.VALUE,
  choice: CheckpointKind.CHOICE,
  job: CheckpointKind.JOB,
};

export function checkpoint(
  kind: keyof typeof KINDS,
  name: string,
  value?: unknown,
  more: { readonly timedOut?: boolean; readonly failures?: number; readonly error?: string } = {},
): Checkpoint {
  const { error, ...facts } = more;
  return create(CheckpointSchema, {
    name,
    kind: KINDS[kind],
    value: value === undefined ? new Uint8Array(0) : jsonBytes(value),
    ...facts,
    ...(error === undefined ? {} : { error: { name: "Error", message: error } }),
  });
}
