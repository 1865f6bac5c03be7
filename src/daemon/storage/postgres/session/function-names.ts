import { numberArray, readText, textArray } from "../connection/literals.ts";
import type { Runner } from "../connection/runner.ts";

const ADD = "insert into reseolio.functions (name) select * from unnest($1::text[]) on conflict do nothing";
const BY_NAME = "select id, name from reseolio.functions where name = any ($1::text[])";
const BY_ID = "select id, name from reseolio.functions where id = any ($1::int[])";
const ALL = "select id, name from reseolio.functions";

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
