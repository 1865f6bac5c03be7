/** How a client holds the leases of its jobs: over breaks and other daemons, until they are lost, revoked or recalled. */
import { describe, expect, test } from "bun:test";
import { ConnectionError } from "../../src/sdk/errors.ts";
import { type ScriptedDaemon, type ScriptedSession, startScriptedDaemon } from "../unit/sdk/scripted-daemon.ts";
import { faultOf, until } from "../unit/sdk/waiting.ts";
import { answerAll, assignment, clientOf, hasOutcomes, start } from "./scripted-client.ts";

describe("the worker", () => {
  test("P7: after a break the hello holds what runs, what waits and what has no answer yet, in order of their start", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 2 });
    let runs = 0;
    const gates = new Map<string, () => void>();
    client.durable("t:run", async () => {
      runs++;
      const { jobId } = client.context();
      await new Promise<void>((resolve) => gates.set(jobId, resolve));
    });
    const session = await start(daemon, client);
    session.send({ assignments: ["a", "b", "c", "d"].map((id) => assignment(id)) });
    await until(() => gates.size === 2);
    gates.get("a")?.();
    await session.nextMatching(hasOutcomes);
    await until(() => gates.size === 3);
    daemon.cut();
    const again = await daemon.nextSession();
    expect(again.hello.heldLeases.map(({ jobId, started }) => [jobId, started])).toEqual([
      ["a", true],
      ["b", true],
      ["c", true],
      ["d", false],
    ]);
    again.welcome();
    const repeated = await again.nextMatching(hasOutcomes);
    expect(repeated.outcomes.map((outcome) => outcome.jobId)).toEqual(["a"]);
    again.reply(repeated);
    gates.get("b")?.();
    gates.get("c")?.();
    await until(() => runs === 4);
    gates.get("d")?.();
    void answerAll(again).catch(() => {});
  });

  test.each([
    ["ends the stream, as one that drains does", (session: ScriptedSession, _: ScriptedDaemon) => session.end()],
    ["breaks the connection", (_: ScriptedSession, daemon: ScriptedDaemon) => daemon.cut()],
    ["stops listening as well", (_: ScriptedSession, daemon: ScriptedDaemon) => void daemon.stop()],
  ])("P7: with several addresses, a daemon that %s hands over to the next at once, with all leases", async (_, end) => {
    await using first = await startScriptedDaemon();
    await using second = await startScriptedDaemon();
    await using client = clientOf(first, { address: [first.address, second.address] });
    const gate = Promise.withResolvers<void>();
    let isRunning = false;
    client.durable("t:run", () => {
      isRunning = true;
      return gate.promise;
    });
    const session = await start(first, client);
    session.send({ assignments: [assignment("a")] });
    await until(() => isRunning);
    void answerAll(session).catch(() => {});
    const endedAt = performance.now();
    end(session, first);
    const next = await second.nextSession();
    expect(performance.now() - endedAt).toBeLessThan(500);
    expect(next.hello.workerId).toBe(session.hello.workerId);
    expect(next.hello.heldLeases.map(({ jobId, started }) => [jobId, started])).toEqual([["a", true]]);
    next.welcome();
    gate.resolve();
    const report = await next.nextMatching(hasOutcomes);
    expect(report.outcomes.map((outcome) => outcome.jobId)).toEqual(["a"]);
    next.reply(report);
    void answerAll(next).catch(() => {});
  });

  test("with several addresses, none of which answers, each is tried once between two waits", async () => {
    await using first = await startScriptedDaemon();
    await using second = await startScriptedDaemon();
    await Promise.all([first.stop(), second.stop()]);
    const client = clientOf(first, { address: [first.address, second.address], connectTimeoutMs: 500 });
    expect(await faultOf(client.start())).toBeInstanceOf(ConnectionError);
    await second.listen();
    const started = client.start();
    (await second.nextSession()).welcome();
    await started;
    await client.stop();
  });

  test("P4: leases lost meanwhile are stopped, and nothing is reported for them", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 1 });
    const reasons: unknown[] = [];
    client.durable("t:run", () => {
      const { signal } = client.context();
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          reasons.push(signal.reason);
          reject(signal.reason as Error);
        });
      });
    });
    client.durable("t:quick", () => "ran");
    const session = await start(daemon, client);
    const running = new Promise((resolve) => client.once("job:start", resolve));
    session.send({ assignments: [assignment("lost"), assignment("waiting")] });
    await running;
    daemon.cut();
    const again = await daemon.nextSession();
    again.welcome(15_000, { lostLeases: ["lost", "waiting"].map((jobId) => ({ jobId, leaseToken: 1 })) });
    await until(() => reasons.length === 1);
    expect(reasons[0]).toMatchObject({ code: "failed_precondition" });
    again.send({ assignments: [assignment("next", "t:quick")] });
    const frame = await again.nextMatching(hasOutcomes);
    expect(frame.outcomes.map((outcome) => outcome.jobId)).toEqual(["next"]);
    again.reply(frame);
    void answerAll(again).catch(() => {});
  });

  test("P4: an outcome without an answer is not sent again when its lease is lost", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 1 });
    client.durable("t:run", () => "ok");
    const session = await start(daemon, client);
    session.send({ assignments: [assignment("settled")] });
    await session.nextMatching(hasOutcomes);
    daemon.cut();
    const again = await daemon.nextSession();
    expect(again.hello.heldLeases.map((lease) => lease.jobId)).toEqual(["settled"]);
    again.welcome(15_000, { lostLeases: [{ jobId: "settled", leaseToken: 1 }] });
    again.send({ assignments: [assignment("next")] });
    const frame = await again.nextMatching(hasOutcomes);
    expect(frame.outcomes.map((outcome) => outcome.jobId)).toEqual(["next"]);
    again.reply(frame);
    void answerAll(again).catch(() => {});
  });

  test("P10: a revocation fires the signal; the one word for the lease comes when the handler has ended", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 1 });
    let end: () => void = () => {};
    let reason: unknown;
    client.durable("t:run", () => {
      const { signal } = client.context();
      signal.addEventListener("abort", () => (reason = signal.reason));
      return new Promise<void>((resolve) => (end = resolve));
    });
    const session = await start(daemon, client);
    session.send({ assignments: [assignment("j1"), assignment("j2")] });
    session.send({ revocations: [{ jobId: "j1", leaseToken: 1, reason: "cancelled" }] });
    await until(() => reason !== undefined);
    expect(reason).toMatchObject({ code: "job_cancelled" });
    expect(String(await faultOf(session.next(200)))).toContain("nothing came");
    end();
    const frame = await session.next();
    expect(frame.outcomes[0]).toMatchObject({ jobId: "j1", outcome: { case: "release" } });
    session.reply(frame, 2);
    end();
    void answerAll(session).catch(() => {});
  });

  test("P9: a revocation for its timeout fires the signal with a TimeoutError", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    let reason: unknown;
    client.durable("t:run", async () => {
      const { signal } = client.context();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      reason = signal.reason;
    });
    const session = await start(daemon, client);
    session.send({ assignments: [assignment("j1", "t:run", { timeoutMs: 50 })] });
    session.send({ revocations: [{ jobId: "j1", leaseToken: 1, reason: "timeout" }] });
    await until(() => reason !== undefined);
    expect(reason).toMatchObject({ name: "TimeoutError" });
    void answerAll(session).catch(() => {});
  });

  test("a recall gives back what has not started, and nothing else", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 1 });
    const ran: string[] = [];
    let end: () => void = () => {};
    client.durable("t:run", () => {
      ran.push(client.context().jobId);
      return new Promise<void>((resolve) => (end = resolve));
    });
    const session = await start(daemon, client);
    session.send({ assignments: ["a", "b", "c"].map((id) => assignment(id)) });
    session.send({ recalls: ["a", "b"].map((jobId) => ({ jobId, leaseToken: 1 })) });
    const frame = await session.nextMatching(hasOutcomes);
    expect(frame.outcomes).toHaveLength(1);
    expect(frame.outcomes[0]).toMatchObject({ jobId: "b", outcome: { case: "release", value: { started: false } } });
    session.reply(frame);
    end();
    await until(() => ran.length === 2);
    expect(ran).toEqual(["a", "c"]);
    end();
    void answerAll(session).catch(() => {});
  });
});
