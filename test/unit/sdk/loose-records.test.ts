/** P11: what an attempt recorded behind its failure is given again in the order in which it was given before. */
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "bun:test";
import { type Checkpoint, CheckpointSchema } from "#proto/gen/reseolio/v1/job_pb.ts";
import { LooseRecords } from "../../../src/sdk/replay/loose-records.ts";

/** Without a place. @param former the place in the attempt that failed, 0 for none */
function record(name: string, former: number): Checkpoint {
  return create(CheckpointSchema, { name, seq: 0, asked: former });
}

/** Behind everything that the handler asks for in one turn. */
function turns(count = 3): Promise<void> {
  return Array.from({ length: count }).reduce<Promise<void>>(
    (before) => before.then(() => new Promise((resolve) => setImmediate(resolve))),
    Promise.resolve(),
  );
}

const never = (): boolean => false;

describe("records without a place", () => {
  test("those that are asked for at once are given in their former order", async () => {
    const [one, two, three] = [record("one", 1), record("two", 2), record("three", 3)];
    const loose = new LooseRecords([three, one, two], never);
    const given: string[] = [];
    for (const asked of [three, two, one])
      loose.request(asked, undefined, () => {
        given.push(asked.name);
        loose.given();
      });
    await turns();
    expect(given).toEqual(["one", "two", "three"]);
  });

  test("one waits for what was given before it, while the handler is still being given something", async () => {
    const [one, two, three] = [record("one", 1), record("two", 2), record("three", 3)];
    const loose = new LooseRecords([one, two, three], never);
    const given: string[] = [];
    const ask = (asked: Checkpoint): void => loose.request(asked, undefined, () => void given.push(asked.name));
    ask(one);
    ask(three);
    await turns();
    expect(given).toEqual(["one"]);
    // What the handler asks for when it has been given the first.
    ask(two);
    loose.given();
    await turns();
    loose.given();
    await turns();
    expect(given).toEqual(["one", "two", "three"]);
  });

  test("one does not wait for what the handler does not ask for in this attempt", async () => {
    const [one, two] = [record("one", 1), record("two", 2)];
    const loose = new LooseRecords([one, two], never);
    const given: string[] = [];
    loose.request(two, undefined, () => void given.push(two.name));
    await turns();
    expect(given).toEqual(["two"]);
  });

  test("one whose value is not here yet holds back what was given behind it; one without a former place is last", async () => {
    const [one, two, last] = [record("one", 1), record("two", 2), record("last", 0)];
    const loose = new LooseRecords([one, two, last], never);
    const given: string[] = [];
    const ask = (asked: Checkpoint, arrival?: Promise<void>): void =>
      loose.request(asked, arrival, () => {
        given.push(asked.name);
        loose.given();
      });
    const { promise, resolve } = Promise.withResolvers<void>();
    ask(last);
    ask(two);
    ask(one, promise);
    await turns();
    expect(given).toEqual([]);
    resolve();
    await turns();
    expect(given).toEqual(["one", "two", "last"]);
  });

  test("one waits while a call is not answered that what was given before it may be asked for behind", async () => {
    const [one, two] = [record("one", 1), record("two", 2)];
    let isCalling = true;
    const loose = new LooseRecords([one, two], () => isCalling);
    const given: string[] = [];
    const ask = (asked: Checkpoint): void =>
      loose.request(asked, undefined, () => {
        given.push(asked.name);
        loose.given();
      });
    ask(two);
    await turns();
    expect(given).toEqual([]);
    isCalling = false;
    loose.answered();
    ask(one);
    await turns();
    expect(given).toEqual(["one", "two"]);
  });
});
