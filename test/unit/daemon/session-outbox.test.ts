import { create } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import {
  AssignmentSchema,
  FinishedJobSchema,
  ReplySchema,
  type SessionResponse,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { SessionOutbox } from "../../../src/daemon/rpc/session/session-outbox.ts";

/** A client that notes what it is sent, and when beside the others. */
function reader(name: string, sent: [string, SessionResponse][]): SessionOutbox {
  const outbox = new SessionOutbox();
  void (async () => {
    for await (const frame of outbox.frames()) sent.push([name, frame]);
  })();
  return outbox;
}

/** One turn of the event loop: nothing that leaves in this one waits for it. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("of what one commit puts out, jobs and results leave before the word that something is stored", async () => {
  const sent: [string, SessionResponse][] = [];
  const [caller, worker, waiter] = ["caller", "worker", "waiter"].map((name) => reader(name, sent));
  await turn();
  caller?.reply(create(ReplySchema, { frameId: 2 }));
  worker?.assign([create(AssignmentSchema, { jobId: "a" })]);
  waiter?.finish(create(FinishedJobSchema, { jobId: "b" }));
  await turn();
  expect(sent.map(([name]) => name)).toEqual(["worker", "waiter", "caller"]);
});

test("what one client gets of a commit is one frame", async () => {
  const sent: [string, SessionResponse][] = [];
  const outbox = reader("client", sent);
  await turn();
  outbox.reply(create(ReplySchema, { frameId: 2 }));
  outbox.assign([create(AssignmentSchema, { jobId: "a" })]);
  outbox.finish(create(FinishedJobSchema, { jobId: "b" }));
  await turn();
  expect(
    sent.map(([, { replies, assignments, finished }]) => [replies, assignments, finished].map((all) => all.length)),
  ).toEqual([[1, 1, 1]]);
});
