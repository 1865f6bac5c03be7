import type { Database } from "bun:sqlite";
import { JOB_STATES } from "../../../core/job.ts";
import { STATE_CODES, stateOf } from "../../rows/job-rows.ts";
import type { JobCount } from "../../seam/jobs.ts";
import type { Query, Row } from "../connection/rows.ts";

const ADD = "insert into functions (name) values (?)";

const ALL = "select id, name from functions";

const ADD_COUNT = `insert into job_counts (function_id, state, count) values (?, ?, ?)
  on conflict do update set count = count + excluded.count`;

const COUNT = "select function_id, state, count from job_counts";

/**
 * The functions that the database knows, name and number, all in memory: there is one row per function, ever, and this
 * process is the only writer. Names made in a transaction that is rolled back are forgotten.
 */
export class FunctionNames {
  readonly #insert: Query;
  readonly #ids = new Map<string, number>();
  readonly #names = new Map<number, string>();
  #uncommitted: string[] = [];

  constructor(db: Database) {
    this.#insert = db.prepare(ADD);
    for (const row of db.prepare(ALL).values() as Row[]) {
      this.#remember(row[0] as number, row[1] as string);
    }
  }

  /** Inside a transaction: the number of a name, made when it is new. */
  idOf(name: string): number {
    return this.#ids.get(name) ?? this.#add(name);
  }

  /** The number of a name, or undefined when no job ever had it. */
  find(name: string): number | undefined {
    return this.#ids.get(name);
  }

  readonly nameOf = (id: number): string => {
    const name = this.#names.get(id);
    if (name === undefined) throw new RangeError(`the database holds the unknown function ID ${id}`);
    return name;
  };

  ids(): Iterable<number> {
    return this.#names.keys();
  }

  committed(): void {
    this.#uncommitted = [];
  }

  rolledBack(): void {
    for (const name of this.#uncommitted) {
      this.#names.delete(this.#ids.get(name)!);
      this.#ids.delete(name);
    }
    this.#uncommitted = [];
  }

  #add(name: string): number {
    const id = Number(this.#insert.run(name).lastInsertRowid);
    this.#remember(id, name);
    this.#uncommitted.push(name);
    return id;
  }

  #remember(id: number, name: string): void {
    this.#ids.set(name, id);
    this.#names.set(id, name);
  }
}

const STATES = JOB_STATES.length;

/**
 * Jobs by function and state. Changes of a transaction are added up in memory and written once, before its commit;
 * the sums of committed transactions stay in memory, since this process is the only writer.
 */
export class JobCounters {
  readonly #add: Query;
  readonly #totals = new Map<number, Float64Array>();
  readonly #deltas = new Map<number, Float64Array>();

  constructor(db: Database) {
    this.#add = db.prepare(ADD_COUNT);
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
