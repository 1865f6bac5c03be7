import type { Database } from "bun:sqlite";
import { JOB_STATES } from "../../../core/job.ts";
import type { JobCount } from "../../seam/jobs.ts";
import { STATE_CODES, stateOf } from "../../rows/codes.ts";
import type { FunctionNames } from "./function-names.ts";
import type { Query, Row } from "../connection/rows.ts";

const STATES = JOB_STATES.length;

const ADD = `insert into job_counts (function_id, state, count) values (?, ?, ?)
  on conflict do update set count = count + excluded.count`;

const COUNT = "select function_id, state, count from job_counts";

/**
 * Jobs by function and state. Changes of a transaction are added up in memory and written once, before its commit;
 * the sums of committed transactions stay in memory, since this process is the only writer.
 */
export class JobCounters {
  readonly #add: Query;
  readonly #totals = new Map<number, Float64Array>();
  readonly #deltas = new Map<number, Float64Array>();

  constructor(db: Database) {
    this.#add = db.prepare(ADD);
    for (const row of db.prepare(COUNT).values() as Row[]) {
      countsOf(this.#totals, row[0] as number)[row[1] as number] = row[2] as number;
    }
  }

  add(functionId: number, state: number, delta: number): void {
    countsOf(this.#deltas, functionId)[state]! += delta;
  }

  move(functionId: number, from: number, to: number): void {
    const deltas = countsOf(this.#deltas, functionId);
    deltas[from]! -= 1;
    deltas[to]! += 1;
  }

  /** Jobs of a function in a state, with those of the running transaction. */
  current(functionId: number, state: number): number {
    return (this.#totals.get(functionId)?.[state] ?? 0) + (this.#deltas.get(functionId)?.[state] ?? 0);
  }

  /** Jobs of a function in a state as committed. */
  committedCount(functionId: number, state: number): number {
    return this.#totals.get(functionId)?.[state] ?? 0;
  }

  /** Writes the transaction's changes. */
  flush(): void {
    for (const [functionId, deltas] of this.#deltas) {
      for (let state = 0; state < STATES; state++) {
        if (deltas[state] !== 0) this.#add.run(functionId, state, deltas[state]!);
      }
    }
  }

  committed(): void {
    for (const [functionId, deltas] of this.#deltas) {
      const totals = countsOf(this.#totals, functionId);
      for (let state = 0; state < STATES; state++) totals[state]! += deltas[state]!;
    }
    this.#deltas.clear();
  }

  rolledBack(): void {
    this.#deltas.clear();
  }

  /** Committed counts, without zeros. */
  list(functions: FunctionNames): readonly JobCount[] {
    const counts: JobCount[] = [];
    for (const [functionId, totals] of this.#totals) {
      for (const code of Object.values(STATE_CODES)) {
        const count = totals[code]!;
        if (count !== 0) counts.push({ functionName: functions.nameOf(functionId), state: stateOf(code), count });
      }
    }
    return counts;
  }
}

function countsOf(counts: Map<number, Float64Array>, functionId: number): Float64Array {
  let found = counts.get(functionId);
  if (found === undefined) counts.set(functionId, (found = new Float64Array(STATES)));
  return found;
}
