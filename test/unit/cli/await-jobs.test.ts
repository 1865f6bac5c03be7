import { expect, test } from "bun:test";
import { uuidV7 } from "#proto/uuid-v7.ts";
import { awaitJobs } from "../../../src/cli/calls/await-jobs.ts";
import { openMessages } from "../../../src/cli/terminal/messages.ts";
import { createClient } from "../../../src/sdk/transport/client.ts";
import { rejection } from "../../support/rejection.ts";
import { spawnDaemon } from "../../support/spawn-daemon.ts";

const messages = openMessages({ write() {} }, {}, false);

test("P16: a daemon that goes away between an acknowledged call and the wait for its end is waited for", async () => {
  await using daemon = await spawnDaemon();
  const client = createClient({ address: daemon.address });
  const jobId = uuidV7();
  await client.jobs.enqueueJobs({ jobs: [{ jobId, functionName: "t:run", args: new TextEncoder().encode("[]") }] });
  await daemon.kill();
  const wait = { messages, timeoutMs: 20_000, onFinished: (): Promise<boolean> => Promise.resolve(true) };
  expect(await rejection(awaitJobs(client, [jobId], wait))).toMatchObject({ code: "connection" });
  const ended: string[] = [];
  const onFinished = (job: { readonly jobId: string }): Promise<boolean> => {
    ended.push(job.jobId);
    return Promise.resolve(true);
  };
  const waiting = awaitJobs(client, [jobId], { ...wait, wasAlive: true, onFinished });
  await daemon.restart();
  const other = createClient({ address: daemon.address });
  await other.jobs.cancelJob({ jobId });
  await waiting;
  expect(ended).toEqual([jobId]);
  other.close();
  client.close();
});
