/** Every snippet of the README and its guides runs as it stands, and prints what they say. */
import { beforeAll, describe, expect, test } from "bun:test";
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { testDatabase } from "../support/postgres-database.ts";
import { hasPythonGrpc, preparePython, python } from "../support/python-grpc.ts";
import { installedModules, installNext, typeFaults, withoutTypes } from "./installed-sdk.ts";
import type { Snippet } from "./read-document.ts";
import { guides, readDocument, readSnippets } from "./read-document.ts";
import type { World } from "./world.ts";
import { capture, createWorld } from "./world.ts";

/** A world is one document's. */
interface DocumentedSnippet extends Snippet {
  readonly document: string;
}

const runnable = ["README.md", ...guides].flatMap((document) =>
  readSnippets(readDocument(document))
    .filter(({ language, fate }) => ["sh", "ts", "py"].includes(language) || fate.kind === "file")
    .map((snippet): DocumentedSnippet => ({ ...snippet, document })),
);
const worlds = Map.groupBy(
  runnable.filter(({ fate }) => fate.kind === "run" || fate.kind === "file"),
  ({ document, fate }) => `${document}: ${"world" in fate ? fate.world : ""}`,
);
const hasPython = await hasPythonGrpc();

describe("the README with its guides", () => {
  test("says of every snippet in sh, ts and py whether it is run, and leaves out few", () => {
    expect(runnable.filter((snippet) => snippet.fate.kind === "unmarked")).toEqual([]);
    const left = runnable.filter((snippet) => snippet.fate.kind === "not run").map((snippet) => snippet.text);
    expect(left).toEqual([
      "npx -y bun@1.4.5 run build:sdk\ncd your-project && npm install path/to/dist/npm/reseolio-*.tgz",
      "npx -y bun@1.4.5 run demo",
      "npx -y bun@1.4.5 run verify",
    ]);
    expect(runnable.length).toBeGreaterThan(10);
  });

  test("shows the quick start of the examples", () => {
    const quickStart = worlds.get("README.md: quick-start")?.map((snippet) => `${snippet.text}\n`);
    expect(quickStart).toEqual([readDocument("examples/quick-start/quick-start.ts")]);
  });
});

for (const [name, members] of worlds) {
  if (members.some(({ fate }) => fate.kind === "file")) describeRecipe(name, members);
  else if (members.every((snippet) => snippet.language === "ts")) describeProgram(name, members);
  else describeScript(name, members);
}

/** The PostgreSQL database that documents use. */
const WRITTEN_DATABASE = "postgres://app@db.internal/app";

function describeScript(name: string, members: readonly Snippet[]): void {
  const needsPython = members.some((snippet) => snippet.language === "py");
  // Without Debian's packages, only the Python snippet is skipped.
  const chosen = hasPython ? members : members.filter((snippet) => snippet.language !== "py");
  test(`in a shell: ${name}`, async () => {
    await using world = await createWorld();
    await using database = members.some(({ text }) => text.includes(WRITTEN_DATABASE)) ? await testDatabase() : null;
    if (needsPython && hasPython) await preparePython(world.path);
    const script = await Promise.all(chosen.map((snippet) => scriptOf(world, snippet)));
    const text = script.join("\n").replaceAll(WRITTEN_DATABASE, database?.url ?? WRITTEN_DATABASE);
    const { exitCode, log } = await world.runScript(text);
    expect({ exitCode, log: exitCode === 0 ? "" : log }).toEqual({ exitCode: 0, log: "" });
    await expectOutputs(world, chosen);
  }, 90_000);
  if (needsPython && !hasPython) test.skip(`${name} in Python (needs python3-grpcio, python3-grpc-tools)`, () => {});
}

async function scriptOf(world: World, snippet: Snippet): Promise<string> {
  if (snippet.language === "sh") return capture(outputFile(snippet), snippet.text);
  await world.write(`line-${snippet.line}.py`, snippet.text);
  return capture(outputFile(snippet), `${python} line-${snippet.line}.py`);
}

async function expectOutputs(world: World, snippets: readonly Snippet[]): Promise<void> {
  for (const snippet of snippets) {
    if (snippet.output === null) continue;
    expectOutput(await readFile(join(world.path, outputFile(snippet)), "utf8"), snippet.output);
  }
}

/** Files, and the commands that use them, in a project that has the packages of the recipes. */
function describeRecipe(name: string, members: readonly Snippet[]): void {
  describe(`as a recipe: ${name}`, () => {
    let modules = "";

    beforeAll(async () => {
      modules = await installedModules();
    }, 300_000);

    const typed = pathsOf(members, ".ts");
    if (typed.length > 0) {
      test("has no faults in its types", async () => {
        await using world = await recipeWorld(modules, members);
        for (const path of typed) expect(await typeFaults(world.path, path, { isBundled: true })).toBe("");
      }, 120_000);
    }

    const commands = members.filter(({ language }) => language === "sh");
    if (commands.length === 0) return;
    const isNext = commands.some(({ text }) => text.startsWith("npx next "));
    const timeoutMs = isNext ? 300_000 : 120_000;
    test(
      "prints what it should",
      async () => {
        await using world = await recipeWorld(isNext ? undefined : modules, members);
        if (isNext) await installNext(world.path);
        // Node 20 cannot run TypeScript.
        const text = commands.map((snippet) => capture(outputFile(snippet), snippet.text)).join("\n");
        const script = text.replaceAll(/\bnode (\w+)\.ts\b/g, "node $1.mjs");
        const { exitCode, log } = await world.runScript(script, { NEXT_TELEMETRY_DISABLED: "1" });
        expect({ exitCode, log: exitCode === 0 ? "" : log }).toEqual({ exitCode: 0, log: "" });
        await expectOutputs(world, commands);
      },
      timeoutMs,
    );
  });
}

async function recipeWorld(modules: string | undefined, members: readonly Snippet[]): Promise<World> {
  const world = await createWorld(modules);
  await world.write("package.json", '{ "private": true, "type": "module" }');
  for (const { fate, text } of members) {
    if (fate.kind !== "file") continue;
    await world.write(fate.path, text);
    const isProgram = members.some(({ language, text }) => language === "sh" && text.includes(`node ${fate.path}`));
    if (isProgram) await world.write(fate.path.replace(".ts", ".mjs"), withoutTypes(text));
  }
  return world;
}

function pathsOf(members: readonly Snippet[], ending: string): readonly string[] {
  return members.flatMap(({ fate }) => (fate.kind === "file" && fate.path.endsWith(ending) ? [fate.path] : []));
}

/** One program, whatever stands between its parts. */
function describeProgram(name: string, members: readonly Snippet[]): void {
  describe(`as a program: ${name}`, () => {
    const program = members.map((snippet) => snippet.text).join("\n\n");
    const output = members.map((snippet) => snippet.output ?? "").join("\n");
    let modules = "";

    beforeAll(async () => {
      modules = await installedModules();
    }, 300_000);

    test("has no faults in its types", async () => {
      await using world = await createWorld(modules);
      await world.write("program.ts", program);
      await copyFile(join(modules, "..", "package.json"), join(world.path, "package.json"));
      expect(await typeFaults(world.path, "program.ts")).toBe("");
    }, 60_000);

    for (const [runtime, command, file] of [
      ["Bun", `${process.execPath} program.ts`, "program.ts"],
      ["Node", "node program.mjs", "program.mjs"],
    ] as const) {
      test(`prints what it should on ${runtime}`, async () => {
        await using world = await createWorld(modules);
        await world.write(file, file.endsWith(".ts") ? program : withoutTypes(program));
        const { exitCode, log } = await world.runScript(capture("output", command));
        expect({ exitCode, log }).toEqual({ exitCode: 0, log: "" });
        expectOutput(await readFile(join(world.path, "output"), "utf8"), output);
      }, 90_000);
    }
  });
}

function outputFile(snippet: Snippet): string {
  return `line-${snippet.line}.out`;
}

/** `…` stands for anything within a line. */
function expectOutput(actual: string, expected: string): void {
  const pattern = expected
    .trim()
    .split("…")
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("[^\\n]*");
  if (!new RegExp(`^${pattern}$`).test(actual.trim())) expect(actual.trim()).toBe(expected.trim());
}
