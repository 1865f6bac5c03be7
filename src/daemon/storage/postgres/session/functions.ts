import { JOB_STATES } from "../../../core/job.ts";
import { stateOf } from "../../rows/job-rows.ts";
import type { JobCount } from "../../seam/jobs.ts";
import { numberArray, readText, textArray } from "../connection/literals.ts";
import type { Runner } from "../connection/runner.ts";

const ADD = "insert into reseolio.functions (name) select * from unnest($1::text[]) on conflict do nothing";

const BY_NAME = "select id, name from reseolio.functions where name = any ($1::text[])";

const BY_ID = "select id, name from reseolio.functions where id = any ($1::int[])";

const ALL = "select id, name from reseolio.functions";

const TOTALS = `(
    select function_id, state, count from reseolio.job_counts
    union all
    select function_id, state, delta from reseolio.job_count_deltas
  ) as counted`;

const COUNT = `select functions.name, counted.state, sum(counted.count)::bigint
  from ${TOTALS} join reseolio.functions on functions.id = counted.function_id
  group by functions.name, counted.state having sum(counted.count) <> 0`;

const FUNCTIONS_IN = `select function_id from ${TOTALS}
  where state = $1 group by function_id having sum(count) > 0 order by function_id`;

/** Does nothing while another daemon folds. */
const FOLD = `with mine as materialized (select pg_try_advisory_xact_lock(hashtext('reseolio.job_counts'), $1::int) as is_mine),
  gone as (
    delete from reseolio.job_count_deltas where (select is_mine from mine) returning function_id, state, delta
  ),
  folded as (
    insert into reseolio.job_counts as total (function_id, state, count)
    select function_id, state, sum(delta) from gone group by function_id, state order by function_id, state
    on conflict (function_id, state) do update set count = total.count + excluded.count
    returning 1
  )
  select (select count(*)::int from gone), (select count(*)::int from folded)`;

/**
 * The functions that this daemon has met, name and number. Rows are never changed or deleted, so what was read stays
 * true; other daemons add some, so what is not here is asked for. New names are stored outside the transaction that
 * needs them: a name without jobs harms nobody, and daemons never wait for each other.
 */
export class FunctionNames {
  readonly #reads: Runner;
  readonly #ids = new Map<string, number>();
  readonly #names = new Map<number, string>();

  /** @param reads outside any transaction */
  constructor(reads: Runner) {
    this.#reads = reads;
  }

  /** Makes `idOf` know these names, new ones included. */
  async ensure(names: Iterable<string>): Promise<void> {
    const unknown = [...new Set(names)].filter((name) => !this.#ids.has(name)).sort();
    if (unknown.length === 0) return;
    await this.#reads.rows(ADD, [textArray(unknown)]);
    await this.#read(BY_NAME, textArray(unknown));
  }

  /** Makes `find` know those of these names that are stored. */
  async look(names: Iterable<string>): Promise<void> {
    const unknown = [...new Set(names)].filter((name) => !this.#ids.has(name));
    if (unknown.length > 0) await this.#read(BY_NAME, textArray(unknown));
  }

  /** Makes `nameOf` know these numbers. */
  async ensureNames(ids: Iterable<number>): Promise<void> {
    const unknown = new Set<number>();
    for (const id of ids) if (!this.#names.has(id)) unknown.add(id);
    if (unknown.size > 0) await this.#read(BY_ID, numberArray([...unknown]));
  }

  /** Every number that is stored. */
  async allIds(): Promise<readonly number[]> {
    await this.#read(ALL);
    return [...this.#names.keys()];
  }

  idOf(name: string): number {
    const id = this.#ids.get(name);
    if (id === undefined) throw new RangeError(`the function ${JSON.stringify(name)} has no ID yet`);
    return id;
  }

  find(name: string): number | undefined {
    return this.#ids.get(name);
  }

  readonly nameOf = (id: number): string => {
    const name = this.#names.get(id);
    if (name === undefined) throw new RangeError(`the database holds the unknown function ID ${id}`);
    return name;
  };

  async #read(sql: string, ...params: readonly string[]): Promise<void> {
    for (const row of await this.#reads.rows(sql, params)) {
      const [id, stored] = row as [number, string];
      const name = readText(stored);
      this.#ids.set(name, id);
      this.#names.set(id, name);
    }
  }
}

const STATES = JOB_STATES.length;

/** The changes of one transaction to the counts of jobs by function and state; written once, as rows of its own. */
export class JobCounters {
  readonly #deltas = new Map<number, Float64Array>();

  add(functionId: number, state: number, delta: number): void {
    this.#of(functionId)[state]! += delta;
  }

  move(functionId: number, from: number, to: number): void {
    const deltas = this.#of(functionId);
    deltas[from]! -= 1;
    deltas[to]! += 1;
  }

  /** The changes as columns for `unnest`: functions, states, deltas; null when there are none. */
  take(): readonly [string, string, string] | null {
    const functionIds: number[] = [];
    const states: number[] = [];
    const changes: number[] = [];
    for (const [functionId, deltas] of this.#deltas) {
      for (let state = 0; state < STATES; state++) {
        if (deltas[state] === 0) continue;
        functionIds.push(functionId);
        states.push(state);
        changes.push(deltas[state]!);
      }
    }
    this.#deltas.clear();
    return changes.length === 0 ? null : [numberArray(functionIds), numberArray(states), numberArray(changes)];
  }

  #of(functionId: number): Float64Array {
    let deltas = this.#deltas.get(functionId);
    if (deltas === undefined) this.#deltas.set(functionId, (deltas = new Float64Array(STATES)));
    return deltas;
  }
}

/** Committed counts, without zeros. */
export async function countJobs(reads: Runner): Promise<readonly JobCount[]> {
  const rows = (await reads.rows(COUNT)) as readonly (readonly [string, number, number])[];
  return rows.map(([name, state, count]) => ({ functionName: readText(name), state: stateOf(state), count }));
}

/** Functions that have jobs in a state. */
export async function functionsInState(reads: Runner, state: number): Promise<readonly number[]> {
  return (await reads.rows(FUNCTIONS_IN, [state])).map((row) => row[0] as number);
}

/**
 * Moves the rows of finished transactions into the totals; returns their number. After a crash, either all or none were
 * moved.
 */
export async function foldCounters(reads: Runner): Promise<number> {
  return (await reads.rows(FOLD, [0]))[0]![0] as number;
}
