/** Checks of the daemon. */
import type { FunctionStats, GetInfoResponse } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import { type CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { cliErrorFrom } from "../calls/rpc-errors.ts";
import type { CommandContext } from "../command.ts";
import type { CliError } from "../exit.ts";
import { counted } from "../text/counted.ts";
import { formatDuration } from "../text/duration.ts";
import { fromTimestamp } from "../text/timestamps.ts";
import { VERSION } from "../version.ts";
import { countOf } from "../views/function-view.ts";
import { examineSchedules } from "./examine-schedules.ts";
import { type Finding, fine, wrong } from "./finding.ts";

export interface DaemonExamination {
  readonly findings: readonly Finding[];
  /** Null if no daemon answered. */
  readonly info: GetInfoResponse | null;
}

/** An unreachable daemon is a finding, not an error; invalid usage is an error. */
export async function examineDaemon(context: CommandContext<typeof CONNECTION_FLAGS>): Promise<DaemonExamination> {
  try {
    return await withClient(context, async (client) => {
      const askedAt = performance.now();
      const info = await client.daemon.getInfo({});
      const tookMs = performance.now() - askedAt;
      const address = client.transport.address.text;
      const { functions, schedules } = await client.daemon.getStats({});
      const findings = [
        fine("daemon", `answered at ${address} within ${formatDuration(Math.ceil(tookMs))}, pid ${info.pid}`),
        examineVersion(info),
        examineClock(info, Date.now()),
        examineDeadJobs(functions),
        ...examineFunctions(functions),
        examineSchedules(schedules, Date.now()),
      ];
      return { findings, info };
    });
  } catch (error) {
    return { findings: [unreachable(cliErrorFrom(error))], info: null };
  }
}

function unreachable(error: CliError): Finding {
  if (error.code === "usage") throw error;
  return wrong("daemon", error.message, error.hint ?? "start one with: reseolio serve");
}

function examineVersion(info: GetInfoResponse): Finding {
  if (info.version === VERSION) return fine("version", `daemon and command line are version ${VERSION}`);
  const message = `the daemon is version ${info.version}, this command line is ${VERSION}`;
  return wrong("version", message, "restart the daemon with the newer executable");
}

const CLOCK_TOLERANCE_MS = 5_000;
// Reseolio did not exist before then, so an earlier time means that the clock was never set.
const FIRST_RELEASE_AT = Date.UTC(2025, 0, 1);

function examineClock(info: GetInfoResponse, now: number): Finding {
  const startedAt = fromTimestamp(info.startedAt) ?? now;
  if (now < FIRST_RELEASE_AT) {
    return wrong(
      "clock",
      `the clock of this machine is wrong: ${new Date(now).toISOString()}`,
      "set the clock, and synchronize it with NTP",
    );
  }
  if (startedAt > now + CLOCK_TOLERANCE_MS) {
    const ahead = formatDuration(startedAt - now);
    return wrong(
      "clock",
      `the daemon started ${ahead} in the future by this machine's clock`,
      "synchronize both clocks with NTP",
    );
  }
  return fine("clock", `daemon up for ${formatDuration(now - startedAt)}`);
}

function examineDeadJobs(functions: readonly FunctionStats[]): Finding {
  const dead = functions.filter((one) => countOf(one, "DEAD") > 0);
  if (dead.length === 0) return fine("dead jobs", "none");
  const count = dead.reduce((sum, one) => sum + countOf(one, "DEAD"), 0);
  const worst = dead.toSorted((one, other) => countOf(other, "DEAD") - countOf(one, "DEAD")).slice(0, 3);
  const names = worst.map((one) => `${countOf(one, "DEAD")} of ${one.functionName}`).join(", ");
  const fix = "see their errors with reseolio jobs list -s dead; then run jobs retry or jobs delete";
  return wrong("dead jobs", `${count}: ${names}`, fix);
}

function examineFunctions(functions: readonly FunctionStats[]): readonly Finding[] {
  const unserved = functions.filter((one) => one.workers === 0 && countOf(one, "PENDING") > 0);
  if (unserved.length === 0) return [fine("workers", "every function with pending jobs has a worker")];
  return unserved.map((one) =>
    wrong(
      "workers",
      `${one.functionName} has ${counted(countOf(one, "PENDING"), "pending job")} but no worker`,
      "start the app that registers it, or: reseolio work NAME -- COMMAND",
    ),
  );
}
