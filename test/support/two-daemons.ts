import { createEngine } from "../../src/daemon/engine/create-engine.ts";
import type { Engine } from "../../src/daemon/engine/engine.ts";
import { createPostgresStore } from "../../src/daemon/storage/postgres/postgres-store.ts";
import type { Store, Transaction } from "../../src/daemon/storage/seam/store.ts";
import type { TestDatabase } from "./postgres-database.ts";

/** A verb of a transaction, such as `jobs.claim`. */
type VerbName = {
  [Part in "jobs" | "workflows" | "events" | "schedules" | "workers"]: `${Part}.${keyof Transaction[Part] & string}`;
}["jobs" | "workflows" | "events" | "schedules" | "workers"];

/** Holds a daemon's transaction open after one of its verbs. */
export class Gate {
  readonly #part: string;
  readonly #verb: string;
  readonly reached = Promise.withResolvers<void>();
  readonly release = Promise.withResolvers<void>();

  constructor(name: VerbName) {
    [this.#part = "", this.#verb = ""] = name.split(".");
  }

  guard(store: Store): Store {
    return new Proxy(store, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (name !== "transact") return typeof member === "function" ? (member.bind(target) as unknown) : member;
        return (work: (tx: Transaction) => Promise<unknown>, options: never) =>
          target.transact((tx) => work(this.#inside(tx)), options);
      },
    });
  }

  #inside(tx: Transaction): Transaction {
    return new Proxy(tx, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member === "function") return member.bind(target) as unknown;
        return name === this.#part ? this.#heldPart(member as Record<string, Verb>) : member;
      },
    });
  }

  #heldPart(part: Readonly<Record<string, Verb>>): Readonly<Record<string, Verb>> {
    const verb = part[this.#verb]!;
    return { ...part, [this.#verb]: (...args) => verb(...args).then((answer) => this.#hold(answer)) };
  }

  async #hold(answer: unknown): Promise<unknown> {
    this.reached.resolve();
    await this.release.promise;
    return answer;
  }
}

type Verb = (...args: unknown[]) => Promise<unknown>;

let schemas = 0;

/** Two engines on a schema of their own, whose transactions a gate may hold open. */
export async function twoDaemons(database: TestDatabase, gates: { readonly one?: Gate; readonly two?: Gate } = {}) {
  const url = `${database.url}?schema=races_${++schemas}`;
  const stores = [
    await createPostgresStore({ url, readers: 1 }),
    await createPostgresStore({ url, readers: 1 }),
  ] as const;
  const one = engineOn(gates.one?.guard(stores[0]) ?? stores[0], "one");
  const two = engineOn(gates.two?.guard(stores[1]) ?? stores[1], "two");
  return {
    one,
    two,
    async [Symbol.asyncDispose]() {
      await Promise.all([one.lane.close(), two.lane.close()]);
      await Promise.all(stores.map((store) => store.close()));
    },
  };
}

function engineOn(store: Store, nodeId: string): Engine {
  return createEngine({
    store,
    clock: { now: () => 0, monotonic: () => performance.now() },
    random: () => 0.5,
    newJobId: () => Bun.randomUUIDv7(),
    settings: { nodeId, leaseMs: 15_000, maxConcurrent: 0, maxLosses: 10 },
    onDeadline: () => {},
    onFatal: (error) => {
      throw error;
    },
  });
}
