/** How a client executes handlers: within its slots, with each outcome reported. */
import { describe, expect, test } from "bun:test";
import { startScriptedDaemon } from "../unit/sdk/scripted-daemon.ts";
import { until } from "../unit/sdk/waiting.ts";
import { answerAll, assignment, clientOf, hasEnqueues, hasOutcomes, start, textOf } from "./scripted-client.ts";

// Spelled apart: what has it by its plain name is taken for a mistake.
const THEN: string = ["th", "en"].join("");

function throwIt(error: Error): never {
  throw error;
}

describe("the worker", () => {
  test("runs assignments in order within its slots, and reports each result", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 2 });
    const started: string[] = [];
    const gates = new Map<string, () => void>();
    client.durable("t:run", async (name: string) => {
      started.push(name);
      await new Promise<void>((resolve) => gates.set(name, resolve));
      return `done ${name}`;
    });
    const session = await start(daemon, client);
    session.send({ assignments: ["a", "b", "c"].map((id) => assignment(id, "t:run", { args: `["${id}"]` })) });
    await until(() => started.length === 2);
    expect(started).toEqual(["a", "b"]);
    gates.get("b")?.();
    const frame = await session.nextMatching(hasOutcomes);
    expect(frame.outcomes).toHaveLength(1);
    expect(frame.outcomes[0]).toMatchObject({ jobId: "b", leaseToken: 1, outcome: { case: "success" } });
    expect(textOf(frame.outcomes[0]?.outcome.value as Uint8Array)).toBe('"done b"');
    session.reply(frame);
    await until(() => started.length === 3);
    expect(started).toEqual(["a", "b", "c"]);
    gates.get("a")?.();
    gates.get("c")?.();
    void answerAll(session).catch(() => {});
  });

  test("a result whose then throws, or settles twice, is that attempt's own affair", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 1 });
    const results: Record<string, unknown> = {
      throws: { [THEN]: () => throwIt(new Error("in then")) },
      cannotBeRead: Object.defineProperty({}, THEN, { get: () => throwIt(new Error("in get")) }),
      twice: {
        [THEN]: (resolve: (value: string) => void) => {
          resolve("once");
          resolve("twice");
          throw new Error("late");
        },
      },
      plain: "still here",
    };
    client.durable("t:run", (name: string) => results[name]);
    const session = await start(daemon, client);
    session.send({ assignments: Object.keys(results).map((id) => assignment(id, "t:run", { args: `["${id}"]` })) });
    const told: string[] = [];
    while (told.length < 4) {
      const frame = await session.nextMatching(hasOutcomes);
      session.reply(frame);
      for (const { outcome } of frame.outcomes) {
        told.push(
          outcome.case === "failure" ? (outcome.value.error?.message ?? "") : textOf(outcome.value as Uint8Array),
        );
      }
    }
    expect(told.toSorted()).toEqual(['"once"', '"still here"', "in get", "in then"]);
    void answerAll(session).catch(() => {});
  });

  test("a daemon that cannot be heard does not stretch the timeout: the signal fires a second later", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    client.durable("t:run", async () => {
      const { signal } = client.context();
      await new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));
    });
    const session = await start(daemon, client);
    session.send({ assignments: [assignment("j1", "t:run", { timeoutMs: 20 })] });
    const frame = await session.nextMatching(hasOutcomes);
    expect(frame.outcomes[0]).toMatchObject({
      outcome: { case: "failure", value: { error: { name: "TimeoutError" } } },
    });
    session.reply(frame);
    void answerAll(session).catch(() => {});
  });

  test("an outcome that the store refused for now is reported again, a refused result becomes a failure", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    client.durable("t:run", () => "ok");
    const session = await start(daemon, client);
    session.send({ assignments: [assignment("j1")] });
    const first = await session.nextMatching(hasOutcomes);
    session.reply(first, 3);
    const again = await session.nextMatching(hasOutcomes);
    expect(again.outcomes[0]).toMatchObject({ jobId: "j1", outcome: { case: "success" } });
    session.reply(again, 4);
    const failure = await session.nextMatching(hasOutcomes);
    expect(failure.outcomes[0]).toMatchObject({ jobId: "j1", outcome: { case: "failure" } });
    session.reply(failure);
    void answerAll(session).catch(() => {});
  });

  test("thousands of handlers that return at once do not grow the stack", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 1 });
    client.durable("t:run", () => 1);
    const session = await start(daemon, client);
    const count = 20_000;
    session.send({ assignments: Array.from({ length: count }, (_, index) => assignment(`j${index}`)) });
    let reported = 0;
    while (reported < count) {
      const frame = await session.next();
      reported += frame.outcomes.filter((outcome) => outcome.outcome.case === "success").length;
      session.reply(frame);
    }
    expect(reported).toBe(count);
    void answerAll(session).catch(() => {});
  });

  test("a call made inside a handler carries the job as its parent, one of another client does not", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    await using other = clientOf(daemon, { workerConcurrency: 0 });
    const session = await start(daemon, client);
    const otherSession = await start(daemon, other);
    client.durable("t:run", async () => {
      await Promise.all([client.enqueue("t:child"), other.enqueue("t:foreign")]);
    });
    session.send({ assignments: [assignment("parent")] });
    const frame = await session.nextMatching(hasEnqueues);
    expect(frame.enqueues[0]?.parentId).toBe("parent");
    session.reply(frame);
    const foreign = await otherSession.nextMatching(hasEnqueues);
    expect(foreign.enqueues[0]?.parentId).toBe("");
    otherSession.reply(foreign);
    void answerAll(session).catch(() => {});
    void answerAll(otherSession).catch(() => {});
  });
});
