/** What workers ran and when, one line at the start and one at the end of each handler, by the clock of the machine. */

/** `s JOB_ID ATTEMPT PID MS` */
export function startLine(jobId: string, attempt: number, pid: number, at: number): string {
  return `s ${jobId} ${attempt} ${pid} ${at}\n`;
}

/** `e JOB_ID ATTEMPT PID MS` */
export function endLine(jobId: string, attempt: number, pid: number, at: number): string {
  return `e ${jobId} ${attempt} ${pid} ${at}\n`;
}

/** One run of a handler. */
export interface Execution {
  readonly jobId: string;
  readonly attempt: number;
  readonly pid: number;
  readonly startedAt: number;
  /** When the handler ended, or its process was killed; null while it runs. */
  readonly endedAt: number | null;
  readonly wasKilled: boolean;
}

/** `kills`: pid of each process that was killed, and when. Executions in the order of their start. */
export function readExecutionLog(text: string, kills: ReadonlyMap<number, number>): readonly Execution[] {
  const running = new Map<string, Execution>();
  const done: Execution[] = [];
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  for (const line of whole.split("\n")) {
    const [kind, jobId = "", attempt, pid, at] = line.split(" ");
    const key = `${jobId} ${attempt} ${pid}`;
    if (kind === "s") {
      const startedAt = Number(at);
      running.set(key, {
        jobId,
        attempt: Number(attempt),
        pid: Number(pid),
        startedAt,
        endedAt: null,
        wasKilled: false,
      });
    }
    const begun = running.get(key);
    if (kind !== "e" || begun === undefined) continue;
    done.push({ ...begun, endedAt: Number(at) });
    running.delete(key);
  }
  for (const execution of running.values()) {
    const killedAt = kills.get(execution.pid);
    done.push({ ...execution, endedAt: killedAt ?? null, wasKilled: killedAt !== undefined });
  }
  return done.sort((one, other) => one.startedAt - other.startedAt);
}

/** Violations of P4: two handlers of one job at the same time, or an attempt number that does not increase. */
export function findOverlaps(executions: readonly Execution[]): readonly string[] {
  return [...Map.groupBy(executions, (one) => one.jobId)].flatMap(([jobId, runs]) =>
    runs.slice(1).flatMap((run, index) => {
      const before = runs[index];
      if (before === undefined) return [];
      const faults: string[] = [];
      if (before.endedAt === null || before.endedAt > run.startedAt) {
        faults.push(
          `job ${jobId}: attempt ${run.attempt} began at ${run.startedAt} in process ${run.pid} while attempt ` +
            `${before.attempt} ran in process ${before.pid} until ${before.endedAt ?? "now"}`,
        );
      }
      if (run.attempt <= before.attempt) {
        faults.push(`job ${jobId}: attempt ${run.attempt} came after attempt ${before.attempt}`);
      }
      return faults;
    }),
  );
}

/** For each execution that a kill ended: milliseconds until the job began again. Null: it never did. */
export function restartDelays(executions: readonly Execution[]): readonly (number | null)[] {
  const byJob = Map.groupBy(executions, (one) => one.jobId);
  return executions
    .filter((one) => one.wasKilled)
    .map((killed) => {
      const next = byJob.get(killed.jobId)?.find((one) => one.attempt > killed.attempt);
      return next === undefined ? null : next.startedAt - (killed.endedAt ?? 0);
    });
}
