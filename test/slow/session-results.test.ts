/** How a client waits for the results of jobs. */
import { describe, expect, test } from "bun:test";
import { JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import { uuidV7 } from "#proto/uuid-v7.ts";
import { JobFailedError, ResultTimeoutError } from "../../src/sdk/errors.ts";
import { Reseolio } from "../../src/sdk/reseolio.ts";
import { startScriptedDaemon } from "../unit/sdk/scripted-daemon.ts";
import { faultOf } from "../unit/sdk/waiting.ts";
import { answerAll, clientOf, start } from "./scripted-client.ts";

const [JOB, OTHER_JOB, THIRD_JOB] = [uuidV7(), uuidV7(), uuidV7()] as const;

describe("waiting for results", () => {
  test("gives the value, and asks once however many wait", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    const handle = client.handle<{ n: number }>(JOB);
    const results = Promise.all([handle.result(), handle.result(5_000)]);
    const frame = await session.next();
    expect(frame.awaitJobIds).toEqual([JOB]);
    session.reply(frame);
    session.send({ finished: [{ jobId: JOB, state: JobState.SUCCESS, result: new TextEncoder().encode('{"n":1}') }] });
    expect(await results).toEqual([{ n: 1 }, { n: 1 }]);
    void answerAll(session).catch(() => {});
  });

  test("a handle of what is no id is refused at once", () => {
    const client = new Reseolio({ autoStart: false });
    for (const id of ["nope", "", undefined, JOB.toUpperCase()]) {
      expect(() => client.handle(id as string)).toThrow(`jobId is ${JSON.stringify(id)}; use a job ID`);
    }
  });

  test("P16: a wait survives the loss of the daemon", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    const result = client.handle(JOB).result();
    session.reply(await session.next());
    daemon.cut();
    const again = await daemon.nextSession();
    again.welcome();
    const frame = await again.next();
    expect(frame.awaitJobIds).toEqual([JOB]);
    again.reply(frame);
    again.send({ finished: [{ jobId: JOB, state: JobState.SUCCESS, result: new TextEncoder().encode("7") }] });
    expect(await result).toBe(7);
    void answerAll(again).catch(() => {});
  });

  test("P16: it ends at the caller's timeout, also while the daemon is away, and the daemon is told", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    const error = await client
      .handle(JOB)
      .result(150)
      .catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(ResultTimeoutError);
    session.reply(await session.next());
    const frame = await session.next();
    expect(frame.unawaitJobIds).toEqual([JOB]);
    session.reply(frame);
    await daemon.stop();
    expect(await faultOf(client.handle(OTHER_JOB).result(100))).toBeInstanceOf(ResultTimeoutError);
  });

  test("a dead job throws the handler's error as cause, a cancelled one and an unknown one say so", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    const waits = Promise.allSettled([JOB, OTHER_JOB, THIRD_JOB].map((id) => client.handle(id).result()));
    session.reply(await session.next());
    const error = { name: "CardError", message: "declined", stack: "CardError: declined\n at pay", reason: "handler" };
    session.send({
      finished: [
        { jobId: JOB, state: JobState.DEAD, error },
        { jobId: OTHER_JOB, state: JobState.CANCELLED, error: { message: "by a caller", reason: "cancelled" } },
        { jobId: THIRD_JOB },
      ],
    });
    const [dead, cancelled, unknown] = await waits;
    const failure = dead?.status === "rejected" ? (dead.reason as unknown) : null;
    expect(failure).toBeInstanceOf(JobFailedError);
    expect(failure).toMatchObject({ code: "job_failed", reason: "handler" });
    const cause = (failure as JobFailedError).cause as Error;
    expect(cause).toBeInstanceOf(Error);
    expect([cause.name, cause.message, cause.stack ?? ""]).toEqual([error.name, error.message, error.stack]);
    expect(cancelled).toMatchObject({ reason: { code: "job_cancelled", reason: "cancelled" } });
    expect(unknown).toMatchObject({ reason: { code: "not_found" } });
    void answerAll(session).catch(() => {});
  });
});
