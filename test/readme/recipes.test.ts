/** docs/recipes.md: what test/readme/snippets.test.ts cannot run as it stands. */
import { expect, test } from "bun:test";
import { chmod } from "node:fs/promises";
import { SETTINGS } from "../../src/daemon/settings.ts";
import { runCommand } from "../support/run-command.ts";
import { tempDir } from "../support/temp-dir.ts";
import { readDocument, readSnippets } from "./read-document.ts";

const page = readDocument("docs/recipes.md");
const snippets = readSnippets(page);

test("Docker: the compose file is YAML, and its variables exist", () => {
  const { text } = snippets.find(({ language }) => language === "yaml")!;
  expect(Bun.YAML.parse(text)).toMatchObject({ services: { reseolio: { image: "reseolio" }, app: { build: "." } } });
  const known = Object.values(SETTINGS).map(({ variable }) => String(variable));
  const named = [...text.matchAll(/\b(RESEOLIO_\w+):/g)].map(([, name = ""]) => name);
  expect(named.length).toBeGreaterThan(2);
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
});

test.skipIf(Bun.which("systemd-analyze") === null)("systemd: the unit of the worker is one that it takes", async () => {
  await using directory = await tempDir();
  await Bun.write(directory.file("node"), "#!/bin/sh\n");
  await chmod(directory.file("node"), 0o755);
  const { text } = snippets.find(({ language }) => language === "ini")!;
  await Bun.write(directory.file("worker.service"), text.replace("/usr/bin/node", directory.file("node")));
  const { stderr } = await runCommand(["systemd-analyze", "verify", "--man=no", directory.file("worker.service")]);
  expect(stderr.split("\n").filter((line) => line.includes("worker.service"))).toEqual([]);
});
