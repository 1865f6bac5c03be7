/** P1, P4, P16, P19 on PostgreSQL: two minutes in which everything fails at once. */
import { playChaos } from "./chaos/play-chaos.ts";
import { shareOfTime, type SoakContext, type Verdict, verdictOf } from "./soak-context.ts";

const FAULTS_MS = 120_000;
const RECOVER_WITHIN_MS = 10_000;

/** A verdict for each group of promises, after one run. */
export async function soakChaos(context: SoakContext): Promise<readonly Verdict[]> {
  const { executable, directory, random, progress, options } = context;
  const faultsMs = shareOfTime(options) ?? FAULTS_MS;
  const { counts, faults, ...report } = await playChaos({
    ...{ command: [executable], directory, random, progress, faultsMs },
    baselineMs: 5_000,
    terminateEveryMs: 60,
    serverStopsEveryMs: [5_000, 10_000],
    serverDownMs: [0, 5_000],
    killDaemonEveryMs: 10_000,
    blackHoleAtMs: faultsMs / 6,
    blackHoleMs: faultsMs / 2,
    lease: "5s",
    recoverWithinMs: RECOVER_WITHIN_MS,
    recoveredShare: 0.5,
  });
  const calls = `${report.acknowledged} acknowledged of ${report.tried} calls, ${report.executions} executions`;
  const happened =
    `${counts.terminated} backends terminated, PostgreSQL stopped ${counts.serverStops} times, ` +
    `${counts.daemonKills} daemons killed, one without network for ${(counts.blackHoleMs / 1000).toFixed(0)} s`;
  const { recovery } = report;
  return [
    verdictOf("P1 P4 chaos on PostgreSQL loses no acknowledged call", `${happened}: ${calls}`, faults.lost),
    verdictOf("P11 P12 no recorded step runs again, no sleep is short", calls, faults.replayed),
    verdictOf("P16 P19 no call outlives its deadline", calls, faults.hung),
    verdictOf("P19 there is no uncaught error, and no daemon exits by itself", happened, faults.uncaught),
    verdictOf(
      `P19 work continues within ${RECOVER_WITHIN_MS / 1000} s of the last fault, in the same processes`,
      `calls after ${recovery.calls.afterMs} ms, executions after ${recovery.executions.afterMs} ms`,
      faults.slow,
    ),
  ];
}
