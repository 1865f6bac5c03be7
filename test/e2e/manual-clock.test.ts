/** A daemon whose clock is moved over the protocol, as tests in any language move it. */
import { expect, test } from "bun:test";
import { reseolioCommand } from "../support/executable.ts";
import { runCommand } from "../support/run-command.ts";
import { spawnDaemon } from "../support/spawn-daemon.ts";

const NEW_YEAR = "2026-01-01T00:00:00Z";

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function call(url: string, method: string, body: unknown): Promise<Answer> {
  const response = await fetch(`${url}/reseolio.v1.${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text.startsWith("{") ? (JSON.parse(text) as Answer["body"]) : {} };
}

test("time stands still, goes to where it is told, and says what is due next", async () => {
  await using daemon = await spawnDaemon({ db: ":memory:", args: ["--manual-clock", NEW_YEAR] });
  const moveTo = (to?: string) => call(daemon.url, "TestingService/MoveClock", to === undefined ? {} : { to });
  expect(await moveTo()).toEqual({ status: 200, body: { now: NEW_YEAR } });

  const jobs = [{ functionName: "a:b", options: { startWithinMs: "86400000" } }];
  await call(daemon.url, "JobService/EnqueueJobs", { jobs });
  expect((await moveTo()).body).toEqual({ now: NEW_YEAR, nextDueAt: "2026-01-02T00:00:00Z" });
  const stored = await call(daemon.url, "JobService/ListJobs", {});
  expect(stored.body["jobs"]).toMatchObject([{ createdAt: NEW_YEAR, state: "JOB_STATE_PENDING" }]);

  expect((await moveTo("2026-01-02T00:00:00Z")).body).toEqual({ now: "2026-01-02T00:00:00Z" });
  const ended = await call(daemon.url, "JobService/ListJobs", {});
  expect(ended.body["jobs"]).toMatchObject([{ state: "JOB_STATE_CANCELLED", finishedAt: "2026-01-02T00:00:00Z" }]);

  const back = await moveTo(NEW_YEAR);
  expect(back).toMatchObject({ status: 400, body: { code: "invalid_argument" } });
  expect(back.body["message"]).toContain("2026-01-01T00:00:00.000Z is in the past: it is now 2026-01-02T00:00:00.000Z");
});

test("a daemon with a real clock has no such service, and a file never gets a clock like that", async () => {
  await using daemon = await spawnDaemon();
  expect((await call(daemon.url, "TestingService/MoveClock", {})).status).toBe(404);
  const command = [...reseolioCommand(), "serve", "--manual-clock", NEW_YEAR, "--db", "real.db"];
  const { stderr, exitCode } = await runCommand(command);
  expect(exitCode).toBe(2);
  expect(stderr).toContain('--manual-clock is for tests and needs --db :memory:, but the database is "real.db"');
});
