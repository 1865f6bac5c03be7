/** The commit lane with kinds of writes of its own: it batches, orders, answers and isolates whatever they are. */
import { expect, test } from "bun:test";
import { DaemonError } from "../../../src/daemon/core/errors.ts";
import { Dispatcher } from "../../../src/daemon/engine/dispatch/dispatcher.ts";
import { ChangeFeed } from "../../../src/daemon/engine/lane/change-feed.ts";
import { CommitLane } from "../../../src/daemon/engine/lane/commit-lane.ts";
import type { WriteKind } from "../../../src/daemon/engine/lane/write-kind.ts";
import type { Store, Transaction, TransactOptions } from "../../../src/daemon/storage/seam/store.ts";
import { rejection } from "../../support/rejection.ts";

/** What happened, in order. */
class Log {
  readonly entries: string[] = [];
  readonly #locks: string[] = [];

  /** A kind that answers each item in upper case, and fails on "bad". */
  kind(name: string, options: Partial<WriteKind<string, string>> = {}): WriteKind<string, string> {
    return {
      name,
      readsTimeLate: false,
      apply: async (_, items) => {
        if (items.includes("bad")) throw new DaemonError("invalid_argument", "bad item");
        this.entries.push(`${name}: ${items.join(" ")}`);
        return items.map((item) => item.toUpperCase());
      },
      ...options,
    };
  }

  lane(...kinds: readonly WriteKind<string, string>[]): CommitLane {
    const events: Partial<Transaction["events"]> = { lock: async (names) => void this.#locks.push(...names) };
    const tx: Partial<Transaction> = { now: 0, events: events as Transaction["events"] };
    const transact = async <T>(work: (tx: Transaction) => Promise<T>, options?: TransactOptions): Promise<T> => {
      const answer = await work(tx as Transaction);
      const locks = this.#locks.splice(0).map((name) => ` after ${name}`);
      this.entries.push(`commit${options?.readsTimeLate === true ? " late" : ""}${locks.join("")}`);
      return answer;
    };
    return new CommitLane({
      store: { transact, jobs: {} } as unknown as Store,
      dispatcher: new Dispatcher({ maxConcurrent: 0, onAssigned: () => {}, onUndeliverable: () => {} }),
      changes: new ChangeFeed(),
      kinds,
      beforeClaims: async () => void this.entries.push("before claims"),
      onFatal: () => {},
      newJobId: () => "",
    });
  }
}

test("one transaction applies all kinds in the order of the list, then work, and answers each entry its part", async () => {
  const log = new Log();
  const [first, second] = [log.kind("first"), log.kind("second", { readsTimeLate: true })];
  const lane = log.lane(first, second);
  const answers = await Promise.all([
    lane.run(async () => log.entries.push("work")),
    lane.write(second, ["c"]),
    lane.write(first, ["a"]),
    lane.write(first, []),
    lane.write(second, ["d", "e"]),
  ]);
  expect(log.entries).toEqual(["first: a", "second: c d e", "work", "before claims", "commit late"]);
  expect(answers.slice(1)).toEqual([["C"], ["A"], [], ["D", "E"]]);
});

test("an entry that fails does not fail the others of its batch", async () => {
  const log = new Log();
  const kind = log.kind("kind");
  const lane = log.lane(kind);
  const [good, bad] = await Promise.allSettled([lane.write(kind, ["a"]), lane.write(kind, ["b", "bad"])]);
  expect(good).toMatchObject({ status: "fulfilled", value: ["A"] });
  expect(bad).toMatchObject({ status: "rejected", reason: { code: "invalid_argument" } });
});

test("events that any kind names are locked before all else", async () => {
  const log = new Log();
  const kind = log.kind("kind", { eventNames: (items) => items.map((item) => `event ${item}`) });
  const lane = log.lane(kind);
  await Promise.all([lane.write(kind, ["a"]), lane.run(async () => {}, ["event b"])]);
  expect(log.entries.at(-1)).toBe("commit after event a after event b");
});

test("the fast path of a kind serves commits that hold nothing else", async () => {
  const log = new Log();
  const alone = log.kind("alone", {
    applyAlone: async (_, items) => {
      log.entries.push(`fast: ${items.join(" ")}`);
      return items.includes("no") ? null : { at: 0, answers: items, stored: [] };
    },
  });
  const lane = log.lane(log.kind("other"), alone);
  expect(await lane.write(alone, ["a"])).toEqual(["a"]);
  expect(await lane.write(alone, ["no"])).toEqual(["NO"]);
  await Promise.all([lane.write(alone, ["b"]), lane.run(async () => {})]);
  expect(log.entries.filter((entry) => entry !== "before claims")).toEqual([
    "fast: a",
    "fast: no",
    "alone: no",
    "commit",
    "alone: b",
    "commit",
  ]);
});

test("a closed lane refuses writes", async () => {
  const log = new Log();
  const kind = log.kind("kind");
  const lane = log.lane(kind);
  await lane.close();
  expect(await rejection(lane.write(kind, ["a"]))).toMatchObject({ code: "unavailable" });
});
