/** A client whose daemon a test plays: a start, answers, and what goes through the session. */
import type { SessionRequest } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Logger } from "../../src/sdk/logger.ts";
import type { ReseolioOptions } from "../../src/sdk/reseolio-options.ts";
import { Reseolio } from "../../src/sdk/reseolio.ts";
import type { ScriptedDaemon, ScriptedSession } from "../unit/sdk/scripted-daemon.ts";

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export function clientOf(daemon: ScriptedDaemon, options: ReseolioOptions = {}): Reseolio {
  return new Reseolio({
    address: daemon.address,
    autoStart: false,
    connectTimeoutMs: 2_000,
    drainTimeoutMs: 2_000,
    logger: quiet,
    ...options,
  });
}

/** A started client and its first session. */
export async function start(daemon: ScriptedDaemon, client: Reseolio, leaseMs?: number): Promise<ScriptedSession> {
  const started = client.start();
  const session = await daemon.nextSession();
  session.welcome(leaseMs);
  await started;
  return session;
}

/** Answers everything until the stream ends. */
export async function answerAll(session: ScriptedSession): Promise<void> {
  for (;;) session.reply(await session.next(60_000));
}

export const hasEnqueues = (frame: SessionRequest): boolean => frame.enqueues.length > 0;
export const hasOutcomes = (frame: SessionRequest): boolean => frame.outcomes.length > 0;

export function assignment(jobId: string, functionName = "t:run", more: { timeoutMs?: number; args?: string } = {}) {
  return {
    jobId,
    leaseToken: 1,
    functionName,
    args: new TextEncoder().encode(more.args ?? "[]"),
    attempt: 1,
    maxAttempts: 3,
    timeoutMs: more.timeoutMs ?? 0,
  };
}

export function textOf(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}
