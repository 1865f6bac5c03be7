/** Installs the npm tarballs in an empty project, as a user has them. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { buildSdk } from "./build-sdk.ts";
import { run } from "./run.ts";

/** Packages that docs/recipes.md uses. Those of Next.js are not among them: its recipe is a project of its own. */
const RECIPE_PACKAGES = [
  ...["express@5.3.0", "@types/express@5.0.6", "fastify@5.12.8", "esbuild@0.28.2", "vitest@5.1.2"],
  ...["@nestjs/core@12.5.1", "@nestjs/common@12.5.1", "@nestjs/platform-express@12.5.1"],
  ...["reflect-metadata@0.2.2", "rxjs@7.8.2"],
];

/**
 * Builds the tarballs and installs them in `project`, an empty directory, with the packages of the recipes. Returns its
 * `node_modules`.
 */
export async function installSdk(project: string): Promise<string> {
  await mkdir(project, { recursive: true });
  const tarballs = await buildSdk({ published: false, outDirectory: join(project, "tarballs") });
  await writeFile(join(project, "package.json"), '{ "private": true, "type": "module" }\n');
  await installPackages(project, [...RECIPE_PACKAGES, ...tarballs]);
  return join(project, "node_modules");
}

/** Installs packages and tarballs, with Node's types, in a directory that has a `package.json`. */
export async function installPackages(project: string, packages: readonly string[]): Promise<void> {
  const types = `@types/node@${manifest.devDependencies["@types/node"]}`;
  const command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", types, ...packages];
  const result = await run(command, { cwd: project, timeoutMs: 240_000 });
  if (result.exitCode !== 0) throw new Error(`npm could not install the packages:\n${result.output}`);
}
