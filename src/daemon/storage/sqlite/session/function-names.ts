import type { Database } from "bun:sqlite";
import type { Query, Row } from "../connection/rows.ts";

const ADD = "insert into functions (name) values (?)";

const ALL = "select id, name from functions";

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
