/** The examples where they are copied to: in a project with the package installed they compile, and their test passes. */
import { beforeAll, expect, test } from "bun:test";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { installedModules, typeFaults } from "../readme/installed-sdk.ts";
import { createWorld, type World } from "../readme/world.ts";
import { checkout } from "../support/executable.ts";

let modules = "";

beforeAll(async () => {
  modules = await installedModules();
}, 300_000);

async function projectWithExamples(): Promise<World> {
  const world = await createWorld(modules);
  await world.write("package.json", '{ "private": true, "type": "module" }');
  await cp(join(checkout, "examples"), join(world.path, "examples"), { recursive: true });
  return world;
}

test("no example has a fault in its types", async () => {
  await using world = await projectWithExamples();
  const files = await readdir(join(world.path, "examples"), { recursive: true });
  // Types of bun:test are a package of their own.
  const programs = files.filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  expect(programs.length).toBeGreaterThan(12);
  const paths = programs.map((name) => `examples/${name}`).join("\n");
  await world.write("all.txt", `--allowImportingTsExtensions\n${paths}\n`);
  expect(await typeFaults(world.path, "@all.txt")).toBe("");
}, 120_000);

test("the test of the orders passes, killed after every checkpoint too", async () => {
  await using world = await projectWithExamples();
  const { exitCode, log } = await world.runScript(`${process.execPath} test ./examples/orders/order.test.ts`);
  expect({ exitCode, log: exitCode === 0 ? "" : log }).toEqual({ exitCode: 0, log: "" });
}, 120_000);
