/** The command line as a person sees it: on a real pseudo-terminal. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { reseolioCommand } from "../support/executable.ts";
import { environment, runOrThrow } from "../support/run-command.ts";
import { spawnDaemon, type SpawnedDaemon } from "../support/spawn-daemon.ts";

// Each step is a process of its own.
setDefaultTimeout(60_000);

let daemon: SpawnedDaemon;

beforeAll(async () => {
  daemon = await spawnDaemon();
});

afterAll(() => daemon[Symbol.asyncDispose]());

interface Session {
  /** All that the screen was sent, with line ends as on any other output. */
  readonly screen: string;
  type(keys: string): void;
  /** Closes the terminal, as by closing its window. */
  hangUp(): void;
  /** Resolves when the screen holds the text. */
  shows(text: string): Promise<void>;
  readonly exited: Promise<number>;
}

function open(args: readonly string[], env: Readonly<Record<string, string | undefined>> = {}, cols = 160): Session {
  let screen = "";
  const waiting: (() => void)[] = [];
  const decoder = new TextDecoder();
  const child = Bun.spawn([...reseolioCommand(), ...args], {
    env: environment({ RESEOLIO_ADDR: daemon.address, TERM: "xterm", CI: undefined, NO_COLOR: undefined, ...env }),
    terminal: {
      cols,
      rows: 40,
      data: (_terminal, bytes) => {
        screen += decoder.decode(bytes, { stream: true }).replaceAll("\r\n", "\n");
        for (const check of waiting) check();
      },
    },
  });
  return {
    get screen() {
      return screen;
    },
    type: (keys) => void child.terminal?.write(keys),
    hangUp: () => child.terminal?.close(),
    shows: (text) => {
      const seen = Promise.withResolvers<void>();
      const check = (): void => {
        if (screen.includes(text)) seen.resolve();
      };
      waiting.push(check);
      check();
      void child.exited.then(() =>
        seen.reject(new Error(`it ended without showing ${JSON.stringify(text)}\n${screen}`)),
      );
      return seen.promise;
    },
    exited: child.exited,
  };
}

/** Runs to the end and returns what was shown. */
async function shown(
  args: readonly string[],
  env?: Readonly<Record<string, string | undefined>>,
  cols?: number,
): Promise<string> {
  const session = open(args, env, cols);
  await session.exited;
  return session.screen;
}

function enqueue(name: string): Promise<string> {
  return runOrThrow([...reseolioCommand(), "jobs", "enqueue", name], { env: { RESEOLIO_ADDR: daemon.address } }).then(
    (id) => id.trim(),
  );
}

async function stateOf(id: string): Promise<unknown> {
  const command = [...reseolioCommand(), "jobs", "get", id, "--json"];
  return (JSON.parse(await runOrThrow(command, { env: { RESEOLIO_ADDR: daemon.address } })) as { state: unknown })
    .state;
}

describe("on a terminal", () => {
  test("a list is a table with a header, short ids, relative times and colours", async () => {
    const id = await enqueue("terminal:list");
    const screen = await shown(["jobs", "list", "-f", "terminal:list"]);
    expect(screen).toContain("\u001b[2mID");
    expect(screen).toContain(`${id.slice(0, 18)}  terminal:list  \u001b[33mPENDING\u001b[39m`);
    expect(screen).not.toContain(id);
    expect(screen).toMatch(/now|s ago/);
  });

  test.each([
    ["NO_COLOR", { NO_COLOR: "1" }],
    ["TERM", { TERM: "dumb" }],
    ["CI", { CI: "1" }],
  ])("%s takes the colours away, not the table", async (_name, env) => {
    await enqueue("terminal:plain");
    const screen = await shown(["jobs", "list", "-f", "terminal:plain"], env);
    expect(screen).toContain("FUNCTION");
    expect(screen).not.toContain("\u001b[");
  });

  test("no line is longer than the terminal is wide", async () => {
    await enqueue(`terminal:${"wide".repeat(20)}`);
    const screen = await shown(["jobs", "list"], { NO_COLOR: "1" }, 60);
    expect(screen).toContain("…");
    expect(screen.split("\n").filter((line) => line.length > 60)).toEqual([]);
  });

  test("nothing found is said", async () => {
    expect(await shown(["jobs", "list", "-f", "no:such"])).toBe("no jobs match\n");
  });

  test("the control characters of a job do nothing", async () => {
    const args = JSON.stringify(["\u009b2J\u202e"]);
    const command = [
      ...reseolioCommand(),
      "jobs",
      "enqueue",
      "terminal:evil",
      "--args",
      args,
      "--header",
      "h=\u001b[2J",
    ];
    const id = (await runOrThrow(command, { env: { RESEOLIO_ADDR: daemon.address } })).trim();
    const screen = await shown(["jobs", "get", id], { NO_COLOR: "1" });
    expect(screen).toContain("\\x1b[2J");
    expect(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/.test(screen)).toBe(false);
  });
});

describe("a bulk act on a terminal", () => {
  test("shows what it is about and asks; y does it", async () => {
    const id = await enqueue("ask:yes");
    const session = open(["jobs", "cancel", "-f", "ask:yes"]);
    await session.shows("cancel this job? [y/N]");
    expect(session.screen).toContain(`${id}  ask:yes  PENDING`);
    session.type("y\r");
    expect(await session.exited).toBe(0);
    expect(session.screen).toContain("1 job cancelled");
    expect(await stateOf(id)).toBe("CANCELLED");
  });

  test.each([
    ["n", "n\r", 0],
    ["an empty answer", "\r", 0],
    ["Ctrl-D", "\u0004", 0],
    ["Ctrl-C", "\u0003", 130],
  ])("%s does nothing", async (_name, keys, exitCode) => {
    const id = await enqueue("ask:no");
    const session = open(["jobs", "cancel", "-f", "ask:no"]);
    await session.shows("[y/N]");
    session.type(keys);
    expect(await session.exited).toBe(exitCode);
    expect(session.screen).toContain("nothing was changed");
    expect(await stateOf(id)).toBe("PENDING");
  });

  test("--yes and ids given as words are not asked about", async () => {
    const one = await enqueue("ask:never");
    expect(await shown(["jobs", "cancel", "-f", "ask:never", "--yes"])).not.toContain("[y/N]");
    expect(await stateOf(one)).toBe("CANCELLED");
    const two = await enqueue("ask:never");
    expect(await shown(["jobs", "cancel", two])).not.toContain("[y/N]");
    expect(await stateOf(two)).toBe("CANCELLED");
  });

  test("a backfill says how many jobs it is about", async () => {
    const run = (args: readonly string[]): Promise<string> =>
      runOrThrow([...reseolioCommand(), "schedules", ...args], { env: { RESEOLIO_ADDR: daemon.address } });
    await run(["create", "hourly", "-f", "ask:backfill", "--cron", "@hourly", "-q"]);
    const range = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z"];
    for (const [keys, count] of [
      ["n\r", "24"],
      ["y\r", "0"],
    ] as const) {
      const session = open(["schedules", "backfill", "hourly", ...range]);
      await session.shows("enqueue 24 jobs of schedule hourly? [y/N]");
      session.type(keys);
      expect(await session.exited).toBe(0);
      expect((await run(["backfill", "hourly", ...range, "--dry-run"])).trim()).toBe(count);
    }
    expect(await shown(["schedules", "backfill", "hourly", ...range])).toContain("already has a job");
  });

  test("in CI nobody is asked: refused with exit code 2", async () => {
    const id = await enqueue("ask:ci");
    const session = open(["jobs", "cancel", "-f", "ask:ci"], { CI: "true" });
    expect(await session.exited).toBe(2);
    expect(await stateOf(id)).toBe("PENDING");
  });
});

describe("serve on a terminal", () => {
  const args = ["serve", "--db", ":memory:", "--addr", "127.0.0.1:0"];
  const env = { RESEOLIO_ADDR: undefined };

  test("P17 says how to go on, and drains on Ctrl-C with exit code 0", async () => {
    const session = open(args, env);
    await session.shows("Press Ctrl-C to stop.");
    expect(session.screen).toMatch(/reseolio jobs enqueue demo:shell:upper --addr 127\.0\.0\.1:\d+ --args/);
    session.type("\u0003");
    expect(await session.exited).toBe(0);
  });

  test("P17 drains when its terminal is closed: nobody could see or stop it any more", async () => {
    const session = open(args, env);
    await session.shows("Press Ctrl-C to stop.");
    session.hangUp();
    expect(await session.exited).toBe(0);
  });
});
