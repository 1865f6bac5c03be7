/** What a handler was given, execution by execution. */

export type TraceEntry =
  /** The body of a step begins. */
  | { readonly kind: "runs"; readonly at: number; readonly point: string; readonly run: number }
  /** It returned. */
  | { readonly kind: "ran"; readonly at: number; readonly point: string; readonly run: number }
  /** The handler goes on with it: a value, an error, a winner, as text. */
  | { readonly kind: "given"; readonly at: number; readonly point: string; readonly value: string }
  /** In a test that says when: nothing of this execution counts from here on. */
  | { readonly kind: "died"; readonly at: number; readonly where: string }
  | HandlerEnd;

export interface HandlerEnd {
  readonly kind: "end";
  readonly at: number;
  /** Null: an error. */
  readonly result: string | null;
  /** As text; empty for a result. */
  readonly error: string;
  /** The operations whose failures the error is made of. */
  readonly endedBy: readonly string[];
}

export interface ExecutionTrace {
  readonly startedAt: number;
  /** Attempts of the job that had failed. */
  readonly failures: number;
  readonly entries: TraceEntry[];
}

/** `at` grows over all executions of the job: it is what orders them. */
export interface JobTrace {
  readonly executions: ExecutionTrace[];
  /** How often the body of each step has begun. */
  readonly runs: Map<string, number>;
}

export function newTrace(): JobTrace {
  return { executions: [], runs: new Map() };
}

/** Where an interpreter writes what it sees. */
export interface TraceWriter {
  /** @returns the number of the execution, from 0 */
  begin(failures: number): number;
  write(execution: number, entry: TraceEntry): void;
  /** Counts one more run of the body of a step. */
  nextRun(point: string): number;
  /** Grows with each call. */
  tick(): number;
}

export class MemoryTrace implements TraceWriter {
  readonly trace = newTrace();
  #at = 0;

  begin(failures: number): number {
    return this.trace.executions.push({ startedAt: this.tick(), failures, entries: [] }) - 1;
  }

  write(execution: number, entry: TraceEntry): void {
    this.trace.executions[execution]?.entries.push(entry);
  }

  /** The newest execution dies. */
  die(where: string): void {
    this.trace.executions.at(-1)?.entries.push({ kind: "died", at: this.tick(), where });
  }

  nextRun(point: string): number {
    const run = (this.trace.runs.get(point) ?? 0) + 1;
    this.trace.runs.set(point, run);
    return run;
  }

  tick(): number {
    return ++this.#at;
  }
}
