/** Traces of many jobs in one file, written line by line, so that they survive a kill -9 of the process that writes. */
import { existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { type JobTrace, newTrace, type TraceEntry, type TraceWriter } from "./trace.ts";

type Line =
  | { readonly key: string; readonly startedAt: number; readonly failures: number }
  | { readonly key: string; readonly execution: number; readonly entry: TraceEntry }
  | { readonly child: string };

export class TraceFile {
  readonly traces = new Map<string, JobTrace>();
  readonly #file: number;
  readonly #childRuns = new Map<string, number>();
  /** Grows over all processes: they write one after the other. */
  #at = 0;

  /** Goes on where the processes before it stopped. */
  constructor(path: string) {
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    const lines = text.split("\n");
    // A process that is killed may leave half a line.
    for (const line of lines.slice(0, -1)) this.#learn(parsed(line));
    this.#file = openSync(path, "a");
    if (lines.at(-1) !== "") writeSync(this.#file, "\n");
  }

  writer(key: string): TraceWriter {
    const trace = this.#trace(key);
    return {
      begin: (failures) => {
        this.#write({ key, startedAt: ++this.#at, failures });
        return trace.executions.length - 1;
      },
      write: (execution, entry) => this.#write({ key, execution, entry }),
      nextRun: (point) => (trace.runs.get(point) ?? 0) + 1,
      tick: () => ++this.#at,
    };
  }

  /** Counts one more run of a child. */
  nextChildRun(jobId: string): number {
    this.#write({ child: jobId });
    return this.#childRuns.get(jobId) ?? 0;
  }

  #write(line: Line): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
    this.#learn(line);
  }

  #learn(line: Line | null): void {
    if (line === null) return;
    this.#at = Math.max(this.#at + 1, "startedAt" in line ? line.startedAt : "entry" in line ? line.entry.at : 0);
    if ("child" in line) this.#childRuns.set(line.child, (this.#childRuns.get(line.child) ?? 0) + 1);
    else if ("entry" in line) this.#learnEntry(this.#trace(line.key), line.execution, line.entry);
    else this.#trace(line.key).executions.push({ startedAt: line.startedAt, failures: line.failures, entries: [] });
  }

  #learnEntry(trace: JobTrace, execution: number, entry: TraceEntry): void {
    trace.executions[execution]?.entries.push(entry);
    if (entry.kind === "runs") trace.runs.set(entry.point, entry.run);
  }

  #trace(key: string): JobTrace {
    const trace = this.traces.get(key) ?? newTrace();
    this.traces.set(key, trace);
    return trace;
  }
}

function parsed(line: string): Line | null {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return null;
  }
}
