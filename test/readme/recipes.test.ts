/** docs/recipes.md: what test/readme/snippets.test.ts cannot run as it stands. */
import { expect, test } from "bun:test";
import { chmod } from "node:fs/promises";
import { SETTINGS } from "../../src/daemon/settings.ts";
import { runCommand } from "../support/run-command.ts";
import { tempDir } from "../support/temp-dir.ts";
import { installedModules } from "./installed-sdk.ts";
import { readDocument, readSnippets } from "./read-document.ts";
import { createWorld } from "./world.ts";

const page = readDocument("docs/recipes.md");
const snippets = readSnippets(page);

test("Next.js: the bundled route answers a request, with the package left out of the bundle", async () => {
  await using world = await createWorld(await installedModules());
  for (const { fate, text } of snippets) {
    if (fate.kind === "file" && fate.world === "next") await world.write(fate.path, text);
  }
  await world.write(
    "main.ts",
    `import { POST } from "./app/api/summaries/route";
import { register } from "./instrumentation";
import config from "./next.config.mjs";
import { jobs } from "./lib/jobs";
await register();
const request = new Request("http://localhost/api/summaries", { method: "POST", body: '{"text":"a long story"}' });
console.log(await (await POST(request)).text(), config.serverExternalPackages.join());
await (await jobs()).reseolio.stop();
`,
  );
  const bundle = "npx esbuild main.ts --bundle --platform=node --format=esm --external:reseolio --outfile=bundle.mjs";
  const script = `${bundle} --log-level=error\nnode bundle.mjs >output.txt`;
  const { exitCode, log } = await world.runScript(script, { NEXT_RUNTIME: "nodejs" });
  expect({ exitCode, log }).toEqual({ exitCode: 0, log: "" });
  expect(await Bun.file(`${world.path}/output.txt`).text()).toBe('{"result":"a long st…"} reseolio\n');
}, 300_000);

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
