/** Jobs seen, awaited, watched and acted on from a shell. */
import { describe, expect, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { pollFor, shellOfFile, UNKNOWN_ID } from "../support/shell.ts";
import { spawnDaemon } from "../support/spawn-daemon.ts";

const { cli, ok, start } = shellOfFile();

describe("jobs list, get, result, explain", () => {
  test("filters by function, state and age; limits; gives the last page of all", async () => {
    for (let index = 0; index < 3; index++) await ok(["jobs", "enqueue", "list:three"]);
    const all = (await ok(["jobs", "list", "--function", "list:three", "-q"])).split("\n");
    expect(all).toHaveLength(3);
    // Newest first: ids of one process at a time go up.
    expect(all).toEqual(all.toSorted().toReversed());
    expect(await ok(["jobs", "list", "-f", "list:three", "--limit", "1", "-q"])).toBe(all[0] ?? "");
    expect(await ok(["jobs", "list", "-f", "list:three", "--state", "dead,success", "-q"])).toBe("");
    expect(await ok(["jobs", "list", "-f", "list:three", "--created-before", "1h", "-q"])).toBe("");
    expect(await ok(["jobs", "list", "-f", "list:three", "--created-after", "1h", "-q"])).toBe(all.join("\n"));
    expect(JSON.parse(await ok(["jobs", "list", "-f", "no:such", "--json"]))).toEqual({ jobs: [] });
  });

  test("a pipe gets tab-separated rows with whole ids and ISO times", async () => {
    await ok(["jobs", "enqueue", "list:tsv"]);
    const cells = (await ok(["jobs", "list", "-f", "list:tsv"])).split("\t");
    expect(cells[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(cells[1]).toBe("list:tsv");
    expect(cells[2]).toBe("PENDING");
    expect(new Date(cells[4] ?? "").toISOString()).toBe(cells[4] ?? "");
  });

  test("the first characters of an id are enough; an unknown one exits 3, no id at all exits 2", async () => {
    const id = await ok(["jobs", "enqueue", "list:prefix"]);
    expect(await ok(["jobs", "get", id.slice(0, 18), "-q"])).toBe(id);
    expect((await cli(["jobs", "get", UNKNOWN_ID])).exitCode).toBe(3);
    expect((await cli(["jobs", "get", UNKNOWN_ID.slice(0, 18)])).exitCode).toBe(3);
    expect((await cli(["jobs", "get", "mail:send"])).exitCode).toBe(2);
    expect((await cli(["jobs", "get"])).exitCode).toBe(2);
  });

  test("result prints what the handler gave; 1 before the end, 7 for a dead job, --wait waits", async () => {
    const done = await ok(["jobs", "enqueue", "demo:shell:upper", "--args", '["r"]']);
    expect(await ok(["jobs", "result", done, "--wait"])).toBe('["R"]');
    expect(await ok(["jobs", "result", done])).toBe('["R"]');
    const pending = await ok(["jobs", "enqueue", "nobody:result"]);
    const early = await cli(["jobs", "result", pending]);
    expect(early.exitCode).toBe(1);
    expect(early.stderr).toContain("is PENDING: it has no result yet\nuse --wait to wait for it");
    expect((await cli(["jobs", "result", pending, "--wait", "--wait-timeout", "50ms"])).exitCode).toBe(6);
    const dead = await ok(["jobs", "enqueue", "demo:shell:fails", "--max-attempts", "1"]);
    expect((await cli(["jobs", "result", dead, "--wait"])).exitCode).toBe(7);
    expect((await cli(["jobs", "result", UNKNOWN_ID])).exitCode).toBe(3);
    expect((await cli(["jobs", "result", UNKNOWN_ID, "--wait"])).exitCode).toBe(3);
  });

  test("explain says what holds a job back", async () => {
    const id = await ok(["jobs", "enqueue", "nobody:explain"]);
    const { summary, blockers } = JSON.parse(await ok(["jobs", "explain", id, "--json"])) as {
      summary: string;
      blockers: { kind: string }[];
    };
    expect(blockers[0]?.kind).toBe("no_worker");
    expect(await ok(["jobs", "explain", id])).toContain(summary);
    expect((await cli(["jobs", "explain", UNKNOWN_ID])).exitCode).toBe(3);
  });
});

describe("jobs wait", () => {
  test("takes ids from stdin, one row each, exits 0", async () => {
    const stdin = `{"function":"demo:shell:upper"}\n`.repeat(20);
    const ids = await ok(["jobs", "enqueue", "--jsonl", "-", "-q"], { stdin });
    const rows = (await ok(["jobs", "wait", "-"], { stdin: ids })).split("\n");
    expect(rows.map((row) => row.split("\t")[0] ?? "").toSorted()).toEqual(ids.split("\n").toSorted());
    expect(rows.every((row) => row.split("\t")[2] === "SUCCESS")).toBe(true);
  });

  test("exits 7 when one is dead, 3 for an unknown id, 6 when the time is over, 2 without ids", async () => {
    const good = await ok(["jobs", "enqueue", "demo:shell:upper"]);
    const dead = await ok(["jobs", "enqueue", "demo:shell:fails", "--max-attempts", "1"]);
    expect((await cli(["jobs", "wait", good, dead])).exitCode).toBe(7);
    expect((await cli(["jobs", "wait", UNKNOWN_ID])).exitCode).toBe(3);
    const pending = await ok(["jobs", "enqueue", "nobody:wait"]);
    expect((await cli(["jobs", "wait", pending, good, "--wait-timeout", "100ms"])).exitCode).toBe(6);
    expect((await cli(["jobs", "wait", "-"], { stdin: "" })).exitCode).toBe(2);
    expect((await cli(["jobs", "wait", "-"], { stdin: `${good}\nrubbish\n` })).stderr).toContain("line 2 of stdin");
  });
});

describe("P5 P10 acts on jobs", () => {
  test("cancel by id: 0, then 8 because it has ended, 3 when unknown", async () => {
    const id = await ok(["jobs", "enqueue", "acts:cancel"]);
    expect(await ok(["jobs", "cancel", id])).toBe(id);
    expect(JSON.parse(await ok(["jobs", "get", id, "--json"]))).toMatchObject({ state: "CANCELLED" });
    const again = await cli(["jobs", "cancel", id]);
    expect(again).toMatchObject({ exitCode: 8, stdout: "" });
    expect(again.stderr).toContain(`job ${id} is CANCELLED: only unfinished jobs can be cancelled`);
    expect((await cli(["jobs", "cancel", UNKNOWN_ID])).exitCode).toBe(3);
    expect((await cli(["jobs", "wait", id])).exitCode).toBe(7);
  });

  test("retry makes a dead job run again, delete removes an ended one for good", async () => {
    const id = await ok(["jobs", "enqueue", "demo:shell:fails", "--max-attempts", "1"]);
    await cli(["jobs", "wait", id]);
    expect(await ok(["jobs", "retry", id])).toBe(id);
    await cli(["jobs", "wait", id]);
    expect(JSON.parse(await ok(["jobs", "get", id, "--json"]))).toMatchObject({
      state: "DEAD",
      attempt: 2,
      failures: 1,
    });
    expect(await ok(["jobs", "delete", id])).toBe(id);
    expect((await cli(["jobs", "get", id])).exitCode).toBe(3);
    const pending = await ok(["jobs", "enqueue", "acts:delete"]);
    expect((await cli(["jobs", "delete", pending])).exitCode).toBe(8);
    expect((await cli(["jobs", "retry", pending])).exitCode).toBe(8);
  });

  test("by filter: refused off a terminal without --yes, --dry-run changes nothing, pages are followed", async () => {
    const stdin = `{"function":"acts:many"}\n`.repeat(1_200);
    await ok(["jobs", "enqueue", "--jsonl", "-"], { stdin });
    const refused = await cli(["jobs", "cancel", "-f", "acts:many"]);
    expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
    expect(refused.stderr).toContain("pass --yes to confirm, or --dry-run");
    const dry = await cli(["jobs", "cancel", "-f", "acts:many", "--dry-run"]);
    expect(dry.stdout.trim().split("\n")).toHaveLength(1_200);
    expect(dry.stderr).toContain("dry run: 1200 jobs would be cancelled");
    expect(await ok(["jobs", "list", "-f", "acts:many", "-s", "cancelled", "-q"])).toBe("");
    const done = await cli(["jobs", "cancel", "-f", "acts:many", "--yes"]);
    expect(done.stderr).toContain("1200 jobs cancelled");
    expect((await ok(["jobs", "list", "-f", "acts:many", "-s", "cancelled", "--all", "-q"])).split("\n")).toHaveLength(
      1_200,
    );
    expect(JSON.parse(await ok(["jobs", "delete", "-f", "acts:many", "--yes", "--json"]))).toMatchObject({
      jobIds: expect.any(Array),
    });
    expect(await ok(["jobs", "list", "-f", "acts:many", "-q"])).toBe("");
  });

  test("ids on stdin need --yes; what failed is counted and the others are done", async () => {
    const one = await ok(["jobs", "enqueue", "acts:stdin"]);
    const two = await ok(["jobs", "enqueue", "acts:stdin"]);
    await ok(["jobs", "cancel", two]);
    const stdin = `${one}\n${two}\n`;
    expect((await cli(["jobs", "cancel", "-"], { stdin })).exitCode).toBe(2);
    const done = await cli(["jobs", "cancel", "-", "--yes"], { stdin });
    expect(done).toMatchObject({ exitCode: 8, stdout: `${one}\n` });
    expect(done.stderr).toContain("; 1 cancelled");
  });

  test("nothing chosen, and choices that exclude each other, exit 2", async () => {
    for (const args of [[], [UNKNOWN_ID, "-s", "dead"], ["--all", "-s", "dead"], [UNKNOWN_ID, "--all"]]) {
      expect((await cli(["jobs", "cancel", ...args, "--yes"])).exitCode).toBe(2);
    }
  });
});

describe("jobs watch", () => {
  test("shows each change as it happens, and survives a restart of the daemon", async () => {
    await using own = await spawnDaemon();
    const env = { RESEOLIO_ADDR: own.address };
    const watch = start(["jobs", "watch", "--jsonl"], env);
    // The watch shows no past changes, so it is known to be active only when the first change appears.
    const first = await pollFor(async () => {
      await ok(["jobs", "enqueue", "watch:before"], { env });
      return watch.stdout;
    });
    expect(JSON.parse(first.split("\n")[0] ?? "")).toMatchObject({ functionName: "watch:before", state: "PENDING" });
    await own.restart();
    await watch.said("reconnected to the daemon");
    await pollFor(async () => {
      await ok(["jobs", "enqueue", "watch:after"], { env });
      return watch.stdout.includes("watch:after") ? watch.stdout : "";
    });
    watch.child.kill("SIGINT");
    expect(await watch.exited).toBe(130);
  });

  test("without a daemon exits 5 at once", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    expect((await cli(["jobs", "watch", "--addr", address])).exitCode).toBe(5);
  });
});

describe("P16 a wait through a restart", () => {
  test("enqueue --wait gets its result from the next daemon", async () => {
    await using own = await spawnDaemon();
    const env = { RESEOLIO_ADDR: own.address };
    const waiting = start(["jobs", "enqueue", "restart:upper", "--args", '["again"]', "--wait"], env);
    await pollFor(async () => await ok(["jobs", "list", "-q"], { env }));
    await own.kill();
    await own.restart();
    const worker = start(["work", "restart:upper", "--", "tr", "a-z", "A-Z"], env);
    try {
      expect(await waiting.exited).toBe(0);
      expect(waiting.stdout).toBe('["AGAIN"]\n');
    } finally {
      worker.kill();
      await worker.exited;
    }
  });
});
