/** The tables of the README and its guides hold what the program does: each is compared with where its facts are declared. */
import { describe, expect, test } from "bun:test";
import { dirname, join } from "node:path";
import { JOB_OPTIONS, type JobOptionRule } from "#proto/job-options.ts";
import { WIRE_LIMITS } from "../../proto/contract.ts";
import { EXIT_CODES } from "../../src/cli/exit.ts";
import { resolveJobOptions } from "../../src/daemon/core/job-options.ts";
import { JOB_STATES } from "../../src/daemon/core/job.ts";
import { SCHEDULE_DEFAULTS } from "../../src/daemon/core/schedule.ts";
import { SETTINGS } from "../../src/daemon/settings.ts";
import { encodeSchedule } from "../../src/sdk/calls/encode-schedule.ts";
import * as sdk from "../../src/sdk/index.ts";
import { resolveOptions } from "../../src/sdk/reseolio-options.ts";
import { checkout as root } from "../support/executable.ts";
import { decisions, guides, readDocument, tableOf } from "./read-document.ts";

const readme = readDocument("README.md");
const guide = (name: string): string => readDocument(`docs/${name}.md`);
const architecture = readDocument("test/architecture.test.ts");
const map = readDocument("src/README.md");

describe("the configuration table", () => {
  test("has every setting with its flag, variable, default and meaning, in the order of the help", () => {
    const table = tableOf(guide("operations"), "Configuration of the daemon", "flag");
    expect(table.columns).toEqual(["flag", "variable", "default", "meaning"]);
    const settings = Object.values(SETTINGS).map(({ flag, variable, defaultText, help }) => [
      flag === null ? "none" : code(`--${flag}`),
      code(variable),
      defaultText === null ? "none" : code(defaultText),
      help,
    ]);
    expect(table.rows).toEqual(settings);
  });
});

describe("the table of job options", () => {
  const table = tableOf(guide("jobs"), "Options of a job", "option");
  const rules: Readonly<Record<string, JobOptionRule>> = JOB_OPTIONS;

  test("has every option", () => {
    const { options } = resolveJobOptions({}, "options");
    expect(table.rows.map(([option]) => option).sort()).toEqual(Object.keys(options).map(code).sort());
  });

  test("has every default, and none where there is none", () => {
    const written = table.rows.map(([option, value]) => [option, value]);
    expect(written).toEqual(
      written.map(([option = ""]) => {
        const rule = rules[option.replaceAll("`", "")];
        const hasDefault = rule !== undefined && "default" in rule;
        return [option, hasDefault ? code(String(rule.default)) : "none"];
      }),
    );
  });

  test("names flags that jobs enqueue has", () => {
    const help = readDocument("test/golden/help/jobs-enqueue.txt");
    for (const [, , flag = ""] of table.rows) expect(help).toContain(`  ${flag.replaceAll("`", "")} `);
  });
});

describe("the table of schedule options", () => {
  const table = tableOf(guide("schedules"), "Options of a schedule", "option");
  const written = new Map(table.rows.map(([option = "", value = ""]) => [option.replaceAll("`", ""), value]));

  test("has every option that the SDK takes", () => {
    const every = { cron: "@daily", unknown: 1 };
    const message = faultOf(() => encodeSchedule("t:run", every, [], {}));
    const [, names = ""] = /the options are ([\w, ]+)/.exec(message) ?? [];
    expect([...written.keys()].sort()).toEqual(names.split(", ").sort());
  });

  test("has the daemon's defaults", () => {
    const { timeZone, ...defaults } = SCHEDULE_DEFAULTS;
    for (const [option, value] of Object.entries({ timezone: timeZone, ...defaults })) {
      expect([option, written.get(option)]).toEqual([option, code(String(value))]);
    }
  });

  test("names flags that schedules create has", () => {
    const help = readDocument("test/golden/help/schedules-create.txt");
    const flags = table.rows.flatMap(([, , cell = ""]) =>
      [...cell.matchAll(/`(--[a-z-]+)`/g)].map((match) => match[1]!),
    );
    expect(flags.length).toBe(written.size - 1);
    for (const flag of flags) expect(help).toContain(`${flag} `);
  });
});

describe("the guides' other tables", () => {
  test("exit codes", () => {
    const { rows } = tableOf(guide("command-line"), "Exit codes", "exit code");
    expect(rows).toEqual(EXIT_CODES.map(({ code, meaning }) => [String(code), meaning]));
  });

  test("commands: each that is named exists, and none is left out", () => {
    const { rows } = tableOf(guide("command-line"), "Commands", "command");
    const named = rows.flatMap(([cell = ""]) => [...cell.matchAll(/`([a-z]+(?: [a-z]+)?)/g)].map((match) => match[1]!));
    expect(named.sort()).toEqual([...commands()].sort());
  });

  test("options of the client, with the defaults that it takes", () => {
    const { rows } = tableOf(guide("sdk"), "Options of the client", "option");
    const settings = resolveOptions({}, {}, "/app");
    const taken: Readonly<Record<string, unknown>> = {
      address: settings.client.address,
      workerConcurrency: settings.workerConcurrency,
      autoStart: settings.sidecar.autoStart,
      callTimeoutMs: settings.session.callTimeoutMs,
      connectTimeoutMs: settings.session.connectTimeoutMs,
      drainTimeoutMs: settings.drainTimeoutMs,
    };
    const written = new Map(rows.map(([option = "", value = ""]) => [option.replaceAll("`", ""), value]));
    for (const [option, value] of Object.entries(taken)) expect(written.get(option)).toEndWith(code(String(value)));
    const declared = readDocument("src/sdk/reseolio-options.ts").match(
      /new Set<keyof ReseolioOptions>\(\[([^\]]*)\]/,
    )?.[1];
    expect([...written.keys()]).toEqual([...declared!.matchAll(/"(\w+)"/g)].map((match) => match[1]!));
  });

  test("errors: all that are exported", () => {
    const { rows } = tableOf(guide("sdk"), "Errors", "error");
    const errors = Object.keys(sdk).filter((name) => name.endsWith("Error"));
    expect(rows.map(([name]) => name!).sort()).toEqual(errors.map(code).sort());
  });

  test("events: all that a client emits", () => {
    const { rows } = tableOf(guide("sdk"), "Events of the client", "event");
    const body = readDocument("src/sdk/events.ts").split("interface ReseolioEvents {")[1]!;
    const events = [...body.matchAll(/^ {2}"?([a-z:]+)"?: \[/gm)].map((match) => match[1]!);
    const named = rows.flatMap(([cell = ""]) => [...cell.matchAll(/`([a-z:]+)`/g)].map((match) => match[1]!));
    expect(named.sort()).toEqual(events.sort());
    expect(events.length).toBeGreaterThan(5);
  });
});

describe("the README and its guides", () => {
  const limits = guide("limits").replaceAll(/\s+/g, " ");

  test("limits are those of the daemon", () => {
    const kib = (bytes: number): string => (bytes >= 1024 ** 2 ? `${bytes / 1024 ** 2} MiB` : `${bytes / 1024} KiB`);
    expect(limits).toContain(`Arguments and results: ${kib(WIRE_LIMITS.payloadBytes)} each.`);
    expect(limits).toContain(`Headers: ${kib(WIRE_LIMITS.headersBytes)}.`);
    expect(limits).toContain(`Function names: ${WIRE_LIMITS.functionNameBytes} bytes.`);
    expect(limits).toContain(`Idempotency keys: ${WIRE_LIMITS.idempotencyKeyBytes} bytes.`);
    expect(limits).toContain(`Messages and stacks of errors: ${kib(WIRE_LIMITS.errorTextBytes)}`);
    expect(limits).toContain(`${WIRE_LIMITS.batchItems} jobs, ${kib(WIRE_LIMITS.messageBytes)}.`);
    expect(limits).toContain(`${SETTINGS.maxConcurrent.defaultText} jobs run at once`);
    expect(limits).toContain(`the lease (${SETTINGS.leaseMs.defaultText?.replace("s", " s")})`);
  });

  test("every state is in the diagram", () => {
    const diagram = guide("jobs").split("\n```mermaid\n")[1]!.split("\n```\n")[0]!;
    const drawn = diagram.match(/\b[A-Z]{4,}\b/g);
    expect([...new Set(drawn)].toSorted()).toEqual([...JOB_STATES].toSorted());
  });

  test("every file and heading that is linked is there", () => {
    for (const document of [
      "README.md",
      "src/README.md",
      "examples/README.md",
      "examples/deploy/README.md",
      "CONTRIBUTING.md",
      "SECURITY.md",
      ...decisions,
      ...guides,
    ]) {
      const links = [...readDocument(document).matchAll(/\]\(([^)#:]*)(?:#([^)]+))?\)/g)];
      for (const [, path = "", anchor] of links) {
        const target = path === "" ? document : join(dirname(document), path);
        expect([document, target, exists(target)]).toEqual([document, target, true]);
        if (anchor !== undefined) expect(anchorsOf(target)).toContain(anchor);
      }
    }
  });

  test("every guide is in the README's table", () => {
    const linked = tableOf(readme, "Guides", "guide").rows.map(([cell = ""]) => /\]\(([^)]+)\)/.exec(cell)?.[1]);
    expect(linked.filter((path) => path?.startsWith("docs/")).sort()).toEqual([...guides].sort());
  });

  test("every variable that commands read has its row", () => {
    const { rows } = tableOf(guide("command-line"), "Environment", "variable");
    const help = readDocument("test/golden/help/environment.txt");
    const variables = [...help.matchAll(/^ {2}(RESEOLIO_\w+)/gm)].map((match) => code(match[1]!));
    expect(variables.length).toBeGreaterThan(5);
    const written = rows.map(([variable = ""]) => variable).filter((variable) => variable.includes("RESEOLIO_"));
    expect(written.sort()).toEqual(variables.sort());
  });
});

describe("the pages for contributors", () => {
  test("name commands and folders that are there", () => {
    const page = readDocument("CONTRIBUTING.md");
    const { scripts } = JSON.parse(readDocument("package.json")) as { readonly scripts: Record<string, string> };
    const named = [...page.matchAll(/`bun run ([a-z:]+)/g)].map((match) => match[1]!);
    expect(named.length).toBeGreaterThan(8);
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
    const folders = tableOf(page, "Where a test goes", "folder").rows.flatMap(
      ([cell = ""]) => cell.match(/test\/\w+/g) ?? [],
    );
    expect(folders.filter((folder) => !exists(folder))).toEqual([]);
  });

  test("every decision has a title, a date, a reason, and files that are there", () => {
    expect(decisions.length).toBeGreaterThan(6);
    const bad = decisions.flatMap((path) =>
      readDocument(path)
        .split("\n### ")
        .slice(1)
        .filter((text) => {
          const files = /\n\nFiles: (.*)$/s.exec(text.trimEnd())?.[1]?.match(/`[^`]+`/g) ?? [];
          const isThere = files.length > 0 && files.every((file) => isSomewhere(file.replaceAll("`", "")));
          return !/^.{4,110}\n\n\d{4}-\d{2}-\d{2}\. .{30,}/s.test(text) || !isThere;
        })
        .map((text) => `${path}: ${text.split("\n")[0]}`),
    );
    expect(bad).toEqual([]);
  });
});

describe("paths in the map and in the decisions", () => {
  test("are all there", () => {
    const documents = ["src/README.md", ...decisions];
    const named = documents.map((document) => [document, pathsIn(readDocument(document))] as const);
    for (const [document, paths] of named) expect([document, paths.length > 5]).toEqual([document, true]);
    expect(named.flatMap(([document, paths]) => missing(paths).map((path) => `${document}: ${path}`))).toEqual([]);
  });

  test("are found missing when nothing has their name", () => {
    const text =
      "`sdk/worker/worker.ts`, `src/sdk/`, `worker.ts`, `seam/`; `sdk/made-up.ts`, `worker/worker.ts`, `made-up.ts`, `made-up/`";
    expect(missing(pathsIn(text))).toEqual(["sdk/made-up.ts", "worker/worker.ts", "made-up.ts", "made-up/"]);
    expect(pathsIn("`0 */2 * * *`, `node:net`, `package.json`, `now()`")).toEqual([]);
  });
});

describe("the map", () => {
  test("is read in one sitting", () => {
    expect(map.split("\n").length).toBeLessThanOrEqual(181);
  });

  test("has a row for each room that the architecture test knows", () => {
    const table = tableOf(map, "Who may import whom", "from");
    expect(table.columns).toEqual(["from", "may import", "never"]);
    const rooms = table.rows.map(([from]) => from!);
    for (const room of ["core", "storage", "engine", "loops", "rpc", "http"]) {
      expect(architecture).toContain(`daemon\\/${room}`);
      expect(rooms).toContain(`daemon/${room}`);
    }
  });
});

function faultOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return String(error);
  }
  throw new Error("it was accepted");
}

/** As GitHub makes them of headings. */
function anchorsOf(document: string): readonly string[] {
  const headings = [...readDocument(document).matchAll(/^#+ (.*)$/gm)];
  return headings.map(([, text = ""]) =>
    text
      .toLowerCase()
      .replaceAll(/[^\w -]/g, "")
      .replaceAll(" ", "-"),
  );
}

function code(text: string): string {
  return `\`${text}\``;
}

/** `jobs list`, `serve`: as the help names them. */
function commands(): ReadonlySet<string> {
  const [, block = ""] = readDocument("test/golden/help/reseolio.txt").split("Commands:\n");
  const lines = block.split("\n\n")[0]!.split("\n");
  const words = lines.map((line) => /^ {2}([a-z]+(?: [a-z|]+)?)(?: {2}|$)/.exec(line)?.[1]).filter((word) => word);
  return new Set(
    words.flatMap((word) => {
      const [noun, verbs] = word!.split(" ");
      return verbs === undefined ? [noun!] : verbs.split("|").map((verb) => `${noun} ${verb}`);
    }),
  );
}

function exists(path: string): boolean {
  return [...new Bun.Glob(path.replace(/^\.\//, "")).scanSync({ onlyFiles: false, cwd: root })].length > 0;
}

/** What stands in backticks and has a slash or ends in `.ts`. */
function pathsIn(text: string): readonly string[] {
  return [...text.matchAll(/`([^`\s]+)`/g)].map((match) => match[1]!).filter((word) => /\/|\.ts$/.test(word));
}

/** Paths begin at the root or in `src`; a name alone may be anywhere in `src`. */
function missing(paths: readonly string[]): readonly string[] {
  return paths.filter((path) => {
    const name = path.replace(/\/$/, "");
    if ([name, `src/${name}`].some(exists)) return false;
    return name.includes("/") || !exists(`src/**/${name}`);
  });
}

function isSomewhere(file: string): boolean {
  return (
    [file, `src/${file}`, `src/daemon/${file}`].some(exists) ||
    [...new Bun.Glob(`src/**/${file}`).scanSync(root)].length > 0
  );
}
