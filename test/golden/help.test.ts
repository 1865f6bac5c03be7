import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { type AnyCommand, isGroup } from "../../src/cli/command.ts";
import { TOPICS } from "../../src/cli/help/help-text.ts";
import { COMMANDS } from "../../src/cli/main.ts";
import { helpText } from "../../src/cli/run-main.ts";
import { painter } from "../../src/cli/terminal/color.ts";
import { VERSION } from "../../src/cli/version.ts";
import { expectGolden } from "./golden.ts";

const plain = painter(false);

/** Every path of the table that has a help. */
function paths(): readonly (readonly string[])[] {
  const commands = Object.entries(COMMANDS).flatMap(([noun, entry]) =>
    isGroup(entry) ? [[noun], ...Object.keys(entry.subCommands).map((verb) => [noun, verb])] : [[noun]],
  );
  return [...commands, ...Object.keys(TOPICS).map((topic) => [topic])];
}

async function commands(): Promise<readonly AnyCommand[]> {
  const entries = Object.values(COMMANDS).flatMap((entry) =>
    isGroup(entry) ? Object.values(entry.subCommands) : [entry],
  );
  return Promise.all(entries.flatMap((entry) => (isGroup(entry) ? [] : [entry.load()])));
}

describe("the help", () => {
  for (const path of paths()) {
    test(`of ${path.join(" ")} is as committed`, async () => {
      expectGolden(`help/${path.join("-")}.txt`, await helpText(path, COMMANDS, plain));
    });
  }

  test("of the whole is as committed", async () => {
    expectGolden("help/reseolio.txt", (await helpText([], COMMANDS, plain)).replace(VERSION, "VERSION"));
  });

  test("no committed help is of a command that is gone", () => {
    const known = new Set(["reseolio.txt", ...paths().map((path) => `${path.join("-")}.txt`)]);
    expect(readdirSync(resolve(import.meta.dir, "help")).filter((file) => !known.has(file))).toEqual([]);
  });

  test("every command has its own name, a description and an example that begins with it", async () => {
    for (const command of await commands()) {
      const examples = command.examples.map((example) => example.command);
      expect(examples.length).toBeGreaterThan(0);
      expect(examples.filter((line) => !line.includes(`reseolio ${command.meta.name}`))).toEqual([]);
      expect(command.meta.description).toEndWith(".");
    }
  });

  test("fits into 100 columns and needs no colour", async () => {
    for (const path of [[], ...paths()]) {
      const text = await helpText(path, COMMANDS, plain);
      expect(text.split("\n").filter((line) => line.length > 100)).toEqual([]);
      expect(text).not.toContain("\u001b");
    }
  });

  test("every flag says what it does", async () => {
    const silent = (await commands()).flatMap((command) =>
      Object.entries(command.args).flatMap(([name, flag]) =>
        (flag.description ?? "") === "" ? [`${command.meta.name} --${name}`] : [],
      ),
    );
    expect(silent).toEqual([]);
  });
});
