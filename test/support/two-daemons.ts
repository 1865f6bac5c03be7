import { createEngine } from "../../src/daemon/engine/create-engine.ts";
import type { Engine } from "../../src/daemon/engine/engine.ts";
import type { JobStore, JobTransaction } from "../../src/daemon/storage/job-store.ts";
import { createPostgresStore } from "../../src/daemon/storage/postgres/postgres-store.ts";
import type { TestDatabase } from "./postgres-database.ts";

/** Holds a daemon's transaction open after one of its verbs. */
export class Gate {
  readonly #verb: keyof JobTransaction;
  readonly reached = Promise.withResolvers<void>();
  readonly release = Promise.withResolvers<void>();

  constructor(verb: keyof JobTransaction) {
    this.#verb = verb;
  }

  guard(store: JobStore): JobStore {
    const inside = (tx: JobTransaction) =>
      new Proxy(tx, {
        get: (target, name) => {
          const member: unknown = Reflect.get(target, name, target);
          if (typeof member !== "function") return member;
          const call = member.bind(target) as (...args: unknown[]) => Promise<unknown>;
          return name === this.#verb
            ? (...args: unknown[]) => call(...args).then((answer) => this.#hold(answer))
            : call;
        },
      });
    return new Proxy(store, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (name !== "transact") return typeof member === "function" ? (member.bind(target) as unknown) : member;
        return (work: (tx: JobTransaction) => Promise<unknown>, options: never) =>
          target.transact((tx) => work(inside(tx)), options);
      },
    });
  }

  async #hold(answer: unknown): Promise<unknown> {
    this.reached.resolve();
    await this.release.promise;
    return answer;
  }
}

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

function engineOn(store: JobStore, nodeId: string): Engine {
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
