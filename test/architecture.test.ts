/** The rules of the codebase, checked on the source text: who may import whom, and what may be written where. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { checkout } from "./support/executable.ts";
import { type SourceFile, sourceFiles, withoutComments } from "./support/source-files.ts";

interface Room {
  /** Files of the room; the first room that matches has the file. */
  readonly files: RegExp;
  /** What they may import, besides their own room. */
  readonly mayImport: readonly RegExp[];
}

const node = /^node:/;
/** But for the code generator, which nothing imports. */
const proto = /^proto\/(?!plugin\/)/;
/** The core, with the constants that it shares with clients. */
const core = /^(src\/daemon\/core\/|proto\/(contract|job-options)\.ts$)/;
const engine = /^src\/daemon\/engine\//;
/** Types of the seam between engine and database. */
const seam = /^src\/daemon\/storage\/seam\//;
/** What both stores build on. */
const sharedStorage = /^src\/daemon\/storage\/((seam|rows|copy)\/)?[^/]+$/;
const logger = /^src\/daemon\/logger\.ts$/;
const connect = /^@connectrpc\//;
const protobuf = /^@bufbuild\/protobuf(\/|$)/;

/** DESIGN's table, with the deviations it allows. */
const rooms: readonly Room[] = [
  { files: /^proto\/plugin\//, mayImport: [/^proto\/wire\//, protobuf, /^@bufbuild\/protoplugin$/] },
  { files: /^proto\//, mayImport: [protobuf] },
  // The order in which a handler is given things, whatever the things are.
  {
    files: /^src\/sdk\/replay\//,
    mayImport: [proto, node, /^src\/sdk\/(context|errors|options\/option-faults)\.ts$/],
  },
  { files: /^src\/sdk\//, mayImport: [/^src\/sdk\//, proto, connect, protobuf, node] },
  { files: /^src\/testing\//, mayImport: [/^src\/sdk\//, proto, connect, protobuf, node] },

  { files: /^src\/daemon\/core\/cron\.ts$/, mayImport: [core, /^cron-parser$/] },
  { files: core, mayImport: [core, /^src\/daemon\/core\/cron\.ts$/] },
  { files: /^src\/daemon\/storage\/sqlite\//, mayImport: [core, sharedStorage, /^bun:/, node] },
  {
    files: /^src\/daemon\/storage\/postgres\//,
    mayImport: [core, sharedStorage, /^postgres$/, node],
  },
  // The two places that know both stores.
  { files: /^src\/daemon\/storage\/open-(store|maintenance)\.ts$/, mayImport: [core, /^src\/daemon\/storage\//] },
  { files: sharedStorage, mayImport: [core, node] },
  { files: engine, mayImport: [core, seam, node] },
  { files: /^src\/daemon\/loops\//, mayImport: [core, engine, seam, logger, node] },
  {
    files: /^src\/daemon\/rpc\//,
    mayImport: [core, engine, proto, connect, protobuf, logger, node, /^src\/daemon\/(rpc|http)\//],
  },
  { files: logger, mayImport: [core, node, /^consola/] },
  {
    files: /^src\/daemon\/(config|settings)\.ts$/,
    mayImport: [core, proto, node, logger, /^src\/daemon\/(settings|http\/(bind-address|allowed-hosts))\.ts$/],
  },
  { files: /^src\/daemon\/http\//, mayImport: [core, proto, connect, protobuf, logger, node] },
  { files: /^src\/daemon\/server\.ts$/, mayImport: [core, proto, connect, logger, node, /^src\/daemon\/(rpc|http)\//] },
  // Composition: they alone know everybody.
  { files: /^src\/daemon\/(daemon|database)\.ts$/, mayImport: [/^src\/daemon\//, proto, node] },

  {
    files: /^src\/cli\/commands\/serve\.ts$/,
    mayImport: [...cli(), /^src\/daemon\/(daemon|config|settings|logger)\.ts$/],
  },
  {
    files: /^src\/cli\/(commands\/db-[^/]+|doctor\/examine-database)\.ts$/,
    mayImport: [...cli(), /^src\/daemon\/database\.ts$/],
  },
  { files: /^src\/cli\/commands\/work\.ts$/, mayImport: [...cli(), /^src\/sdk\/reseolio\.ts$/] },
  { files: /^src\/cli\//, mayImport: cli() },
];

function cli(): readonly RegExp[] {
  return [
    /^src\/cli\//,
    /^src\/sdk\/(errors|transport\/(client|address|transport))\.ts$/,
    proto,
    connect,
    protobuf,
    node,
    /^(citty|consola)(\/|$)/,
    /^package\.json$/,
  ];
}

function byRankThenPath(one: string, other: string): number {
  const rank = (path: string): number => ["#", "../", "./"].findIndex((start) => path.startsWith(start));
  return rank(one) - rank(other) || (one < other ? -1 : 1);
}

/** Why a file is longer than 300 lines. */
const longFiles: Readonly<Record<string, string>> = {
  "src/sdk/reseolio.ts": "the public methods of one class, mostly their documentation",
  "src/sdk/worker/worker.ts": "what becomes of an assignment, from its arrival to its report",
  "src/sdk/workflow/execution.ts": "the stages of one handler in memory, which everything that it does depends on",
  "src/sdk/replay/sequence.ts": "one order, from what is on record to what comes",
};

const src = sourceFiles(["src"]);
const all = sourceFiles(["src", "proto", "scripts", "test"]);
/** Without declarations of how others export. */
const authored = all.filter((file) => !file.path.endsWith(".d.ts"));
const daemonCore = src.filter((file) => core.test(file.path));
/** What runs in users' programs. */
const sdk = src.filter((file) => /^src\/(sdk|testing)\//.test(file.path));

describe("the reader of sources", () => {
  test("sees type-only, dynamic, bare and multi-line imports and exports, but none in comments", () => {
    const text = [
      'import type {\n  A,\n} from "./a.ts";',
      'export { b } from "./b.ts";',
      'const c = await import("./c.ts");',
      'import "./d.ts";',
      '// import "./no.ts";',
      'const url = "http://x"; import e from "./e.ts";',
    ].join("\n");
    expect(withoutComments(text)).not.toContain("no.ts");
    expect(withoutComments(text)).toContain("http://x");
    expect(src.length).toBeGreaterThan(40);
    expect(src.flatMap((file) => file.imports).length).toBeGreaterThan(src.length);
  });
});

describe("imports", () => {
  test("every file belongs to a room", () => {
    expect(src.filter((file) => roomOf(file) === undefined).map((file) => file.path)).toEqual([]);
  });

  test("every file imports only what its room may", () => {
    expect([...src, ...sourceFiles(["proto"])].flatMap(forbiddenImports)).toEqual([]);
  });

  test("every file sorts its imports by path: packages, #proto, the folders above, its own folder", () => {
    const unsorted = authored.filter(({ code }) => {
      const head = /^\s*(?:import\b[^;]*;\s*)*/.exec(code)?.[0] ?? "";
      const given = [...head.matchAll(/^import\b[^;]*?\bfrom "([^"]+)"/gm)].map((match) => match[1]!);
      return given.join() !== given.toSorted(byRankThenPath).join();
    });
    expect(unsorted.map(({ path }) => path)).toEqual([]);
  });

  test("a forbidden import is found", () => {
    const intruder = { path: "src/sdk/x.ts", text: "", code: "", imports: ["src/daemon/daemon.ts", "bun:sqlite"] };
    expect(forbiddenImports(intruder)).toHaveLength(2);
    const engineFile = { ...intruder, path: "src/daemon/engine/x.ts", imports: ["src/daemon/storage/sqlite/store.ts"] };
    expect(forbiddenImports(engineFile)).toHaveLength(1);
  });
});

describe("what may be written where", () => {
  test("the core has no clock, chance, timer or waiting of its own", () => {
    const impure =
      /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bset(Timeout|Interval|Immediate)\b|\basync\b|\bawait\b|\bPromise\b|\bperformance\b|\bcrypto\b|\bprocess\b|\bBun\b/;
    expect(linesLike(daemonCore, impure)).toEqual([]);
  });

  test("the SDK does not need Bun", () => {
    expect(linesLike(sdk, /\bBun\.|"bun:|\bimport\.meta\.(dir|main|path|file)\b/)).toEqual([]);
  });

  test("the version of the SDK is the version of the package", () => {
    const version = sdk.find((file) => file.path === "src/sdk/version.ts");
    expect(version?.text).toContain(`"${manifest.version}"`);
  });

  test("nothing names a path of a machine", () => {
    expect(linesLike(all, /["'`](\/home\/|\/root\/|\/Users\/|\/work\/|[A-Z]:\\\\?Users)/)).toEqual([]);
  });

  test("only named exports", () => {
    expect(linesLike(authored, /^\s*export default\b|\bexport\s*\{[^}]*\bas default\b/m)).toEqual([]);
  });

  test("no file re-exports others but the indexes of what npm offers", () => {
    const indexes = ["src/sdk/index.ts", "src/testing/index.ts"];
    const barrels = src.filter((file) => /^\s*export\s+(type\s+)?\*\s/m.test(file.code) || isBarrel(file));
    expect(barrels.map((file) => file.path).filter((path) => !indexes.includes(path))).toEqual([]);
  });
});

describe("one version of everything", () => {
  const bun = manifest.engines.bun;

  test("Bun is pinned to one version wherever it is named", () => {
    expect(manifest.devDependencies.bun).toBe(bun);
    for (const file of [".ci/run", "README.md", "src/README.md"]) {
      const named = [...readFileSync(join(checkout, file), "utf8").matchAll(/\bbun@([\w.]+)/g)].map(
        (match) => match[1],
      );
      expect({ file, versions: [...new Set(named)] }).toEqual({ file, versions: [bun] });
    }
  });

  test("every dependency is pinned exactly", () => {
    const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-[a-z]+\.\d+)?$/.test(version))).toEqual([]);
  });

  test("CI runs the command that the README gives", () => {
    const command = `npx -y bun@${bun} run verify`;
    expect(readFileSync(join(checkout, ".ci/run"), "utf8")).toContain(command);
    expect(readFileSync(join(checkout, "README.md"), "utf8")).toContain(command);
  });

  test("every script that package.json offers is there", () => {
    const named = Object.values(manifest.scripts).flatMap((script) => /\bscripts\/[\w/-]+\.ts/.exec(script) ?? []);
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((path) => !existsSync(join(checkout, path)))).toEqual([]);
  });
});

describe("names and sizes", () => {
  test("files and folders are in kebab-case", () => {
    const odd = all
      .map((file) => file.path)
      .filter((path) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+([-.][a-z0-9]+)*\.ts$/.test(path));
    expect(odd).toEqual([]);
  });

  test("no file is a drawer", () => {
    const drawer = /(^|[/-])(utils?|helpers?|managers?|common|misc|data|lib|shared)(-|\.ts$|\/)/;
    expect(all.map((file) => file.path).filter((path) => drawer.test(path))).toEqual([]);
  });

  test("a room holds at most forty files", () => {
    const rooms = Map.groupBy(src, ({ path }) => path.slice(0, path.lastIndexOf("/")));
    const crowded = [...rooms].filter(([, files]) => files.length > 40).map(([room, files]) => [room, files.length]);
    expect(crowded).toEqual([]);
  });

  test("a file of more than 300 lines has a reason", () => {
    const long = src.filter((file) => file.text.split("\n").length > 301).map((file) => file.path);
    expect(long.filter((path) => longFiles[path] === undefined)).toEqual([]);
    // A reason that is no longer needed goes too.
    expect(Object.keys(longFiles).filter((path) => !long.includes(path))).toEqual([]);
  });

  test("every export of the core says what it promises", () => {
    expect(daemonCore.flatMap(undocumentedExports)).toEqual([]);
  });

  test("every export of the SDK's index says what it promises where it is declared", () => {
    expect(undocumentedPublicSymbols()).toEqual([]);
  });
});

function roomOf(file: SourceFile): Room | undefined {
  return rooms.find((room) => room.files.test(file.path));
}

function forbiddenImports(file: SourceFile): readonly string[] {
  const room = roomOf(file);
  if (room === undefined) return [];
  const allowed = (path: string): boolean =>
    // A room is also its own folder; one that is a single file has no folder.
    (rooms.find((other) => other.files.test(path)) === room && isOurs(path)) ||
    room.mayImport.some((pattern) => pattern.test(path)) ||
    // A folder's own private assets, such as SQL text.
    (path.startsWith(folderOf(file.path)) && !path.endsWith(".ts"));
  return file.imports.filter((path) => !allowed(path)).map((path) => `${file.path} may not import ${path}`);
}

function isOurs(path: string): boolean {
  return path.startsWith("src/") || path.startsWith("proto/");
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

function linesLike(files: readonly SourceFile[], pattern: RegExp): readonly string[] {
  return files
    .filter((file) => file.path !== "test/architecture.test.ts")
    .flatMap((file) =>
      file.code
        .split("\n")
        .flatMap((line, index) => (pattern.test(line) ? [`${file.path}:${index + 1}: ${line.trim()}`] : [])),
    );
}

/** Nothing but re-exports. */
function isBarrel(file: SourceFile): boolean {
  const rest = file.code.replaceAll(/export\s+(type\s+)?\{[^}]*\}\s*from\s*"[^"]*";?/g, "").trim();
  return rest === "" && file.code.trim() !== "";
}

function undocumentedExports(file: SourceFile): readonly string[] {
  const lines = file.text.split("\n");
  return lines.flatMap((line, index) => {
    const name =
      /^export (?:declare )?(?:abstract )?(?:async )?(?:const|function\*?|class|interface|type|enum) (\w+)/.exec(
        line,
      )?.[1];
    const documented = name === undefined || isDocumented(lines, index) || sharesDoc(lines, index);
    return documented ? [] : [`${file.path}:${index + 1}: ${name}`];
  });
}

function isDocumented(lines: readonly string[], index: number): boolean {
  return lines[index - 1]?.trimEnd().endsWith("*/") === true;
}

/** Documented members say it all, and a type derived from a constant shares its text. */
function sharesDoc(lines: readonly string[], index: number): boolean {
  const rest = lines.slice(index).join("\n");
  const body = rest.slice(
    0,
    /^export (interface|abstract class|class)/.test(rest) ? rest.search(/^\}/m) : rest.search(/;\n/),
  );
  return body.includes("/**") || /^export type \w+ = \(typeof \w+\)/.test(rest);
}

function undocumentedPublicSymbols(): readonly string[] {
  const index = sdk.find((file) => file.path === "src/sdk/index.ts");
  expect(index).toBeDefined();
  const exported = [...index!.code.matchAll(/export\s+(?:type\s+)?\{([^}]*)\}\s*from\s*"\.\/([^"]+)"/g)];
  return exported.flatMap(([, names, from]) => {
    const file = sdk.find((candidate) => candidate.path === `src/sdk/${from}`);
    const wanted = names!.split(",").map((name) =>
      name
        .replace(/\btype\b/, "")
        .trim()
        .split(" as ")[0]!
        .trim(),
    );
    const missing = file === undefined ? [] : undocumentedExports(file);
    return missing.filter((entry) => wanted.some((name) => name !== "" && entry.endsWith(`: ${name}`)));
  });
}
