/**
 * P1, P16, P19 and P4 on PostgreSQL while everything fails at once: backends are terminated, the server is stopped,
 * daemons are killed, and the network of one of them swallows what it is given.
 */
import { readFileSync } from "node:fs";
import { readExecutionLog } from "../execution-log.ts";
import type { Random } from "../random.ts";
import { readCallLog } from "./call-log.ts";
import { type FaultCounts, type FaultPlan, injectFaults } from "./faults.ts";
import { findFlowFaults } from "./flow-log.ts";
import {
  countUnfinished,
  findLateEnds,
  findLosses,
  findRecovery,
  findUncaught,
  type Recovery,
  times,
} from "./judge.ts";
import { CALL_TIMEOUT_MS, RESULT_TIMEOUT_MS, setStage, SLEEP_MS, type Stage } from "./stage.ts";

export interface ChaosSettings extends FaultPlan {
  /** The daemon's program and leading arguments. */
  readonly command: readonly string[];
  /** For its logs. */
  readonly directory: string;
  readonly random: Random;
  /** Undisturbed work before the faults, to compare with. */
  readonly baselineMs: number;
  /** For `--lease`. */
  readonly lease: string;
  /** After the last fault. */
  readonly recoverWithinMs: number;
  /** Throughput has recovered when one second reaches this share of the earlier rate. */
  readonly recoveredShare: number;
  progress(text: string): void;
}

export interface ChaosReport {
  readonly counts: FaultCounts;
  readonly tried: number;
  readonly acknowledged: number;
  readonly executions: number;
  /** How calls, and executions, came back after the last fault. */
  readonly recovery: { readonly calls: Recovery; readonly executions: Recovery };
  /** Against which promise, and what. */
  readonly faults: Readonly<Record<"lost" | "hung" | "uncaught" | "slow" | "replayed", readonly string[]>>;
}

const FINISH_MS = 60_000;
const LOOK_MS = 500;

/** Throws only when it could not be played at all. */
export async function playChaos(settings: ChaosSettings): Promise<ChaosReport> {
  await using stage = await setStage(settings.command, settings.directory, settings.lease);
  await Bun.sleep(settings.baselineMs);
  const firstFaultAt = Date.now();
  const counts = await injectFaults(stage, settings, settings.random, settings.progress);
  const lastFaultAt = Date.now();
  settings.progress("chaos: the last fault is over");
  await untilRecovered(stage, settings, firstFaultAt, lastFaultAt);
  const stuck = await endCalls(stage);
  const unfinished = await untilFinished(stage.server.url("postgres"));

  const { log, executions } = readLogs(stage);
  const recovery = readRecovery(stage, settings.recoveredShare, firstFaultAt, lastFaultAt);
  return {
    counts,
    tried: log.tried.size,
    acknowledged: log.acknowledged.size,
    executions: executions.length,
    recovery,
    faults: {
      lost: [...unfinished, ...(await findLosses(stage.server.url("postgres"), log))],
      hung: [...stuck, ...findLateEnds(log)],
      uncaught: findOutcries(stage),
      replayed: findFlowFaults(readFileSync(stage.flowLog, "utf8"), SLEEP_MS),
      slow: Object.entries(recovery).flatMap(([what, { before, after, afterMs }]) =>
        afterMs !== null && afterMs <= settings.recoverWithinMs
          ? []
          : [`${what} were not back: ${before} a second before the faults, at most ${after} after them`],
      ),
    },
  };
}

function readLogs(stage: Stage) {
  return {
    log: readCallLog(readFileSync(stage.callLog, "utf8")),
    executions: readExecutionLog(readFileSync(stage.executionLog, "utf8"), new Map()),
  };
}

function readRecovery(stage: Stage, share: number, firstFaultAt: number, lastFaultAt: number): ChaosReport["recovery"] {
  const { log, executions } = readLogs(stage);
  const ends = executions.map(({ endedAt, startedAt }) => endedAt ?? startedAt);
  return {
    calls: findRecovery(times(log.calls), firstFaultAt, lastFaultAt, share),
    executions: findRecovery(ends, firstFaultAt, lastFaultAt, share),
  };
}

/** Or until the time for it is over. */
async function untilRecovered(
  stage: Stage,
  settings: ChaosSettings,
  firstFaultAt: number,
  lastFaultAt: number,
): Promise<void> {
  const endAt = lastFaultAt + settings.recoverWithinMs + LOOK_MS;
  while (Date.now() < endAt) {
    await Bun.sleep(LOOK_MS);
    const { calls, executions } = readRecovery(stage, settings.recoveredShare, firstFaultAt, lastFaultAt);
    if (calls.afterMs !== null && executions.afterMs !== null) return;
  }
}

/** Tells the callers to stop; one that does not, waits for something that never comes. */
async function endCalls(stage: Stage): Promise<readonly string[]> {
  for (const caller of stage.callers) caller.tell("stop");
  const late = Bun.sleep(CALL_TIMEOUT_MS + RESULT_TIMEOUT_MS + 5_000).then(() => "late" as const);
  const ends = await Promise.all(stage.callers.map((caller) => Promise.race([caller.exited, late])));
  return ends.flatMap((end, index) => (end === 0 ? [] : [`caller ${index}: ${end}\n${stage.callers[index]?.output}`]));
}

async function untilFinished(url: string): Promise<readonly string[]> {
  const endAt = performance.now() + FINISH_MS;
  for (;;) {
    const count = await countUnfinished(url);
    if (count === 0) return [];
    if (performance.now() > endAt) return [`${count ?? "unknown"} jobs never ended`];
    await Bun.sleep(100);
  }
}

function findOutcries(stage: Stage): readonly string[] {
  const children = [...stage.callers, ...stage.workers].map(({ output }) => output.replace(/^ready\n/, ""));
  return [
    ...stage.daemons.flatMap((daemon) => [...daemon.unwantedEnds, ...findUncaught(daemon.servingOutput)]),
    ...children.filter((output) => output !== "").map((output) => `a client wrote: ${output.slice(0, 500)}`),
  ];
}
