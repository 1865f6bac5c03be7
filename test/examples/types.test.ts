/** The examples have no faults in their types where they are copied to: a project with the package installed. */
import { beforeAll, expect, test } from "bun:test";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { installedModules, typeFaults } from "../readme/installed-sdk.ts";
import { createWorld } from "../readme/world.ts";
import { checkout } from "../support/executable.ts";

let modules = "";

beforeAll(async () => {
  modules = await installedModules();
}, 300_000);

test("no example has a fault in its types", async () => {
  await using world = await createWorld(modules);
  await world.write("package.json", '{ "private": true, "type": "module" }');
  await cp(join(checkout, "examples"), join(world.path, "examples"), { recursive: true });
  const files = (await readdir(join(world.path, "examples"), { recursive: true })).filter((name) =>
    name.endsWith(".ts"),
  );
  expect(files.length).toBeGreaterThan(10);
  const paths = files.map((name) => `examples/${name}`).join("\n");
  await world.write("all.txt", `--allowImportingTsExtensions\n${paths}\n`);
  expect(await typeFaults(world.path, "@all.txt")).toBe("");
}, 120_000);
