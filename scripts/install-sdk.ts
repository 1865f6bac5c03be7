/** Installs the npm tarballs in an empty project, as a user has them. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { buildSdk } from "./build-sdk.ts";
import { run } from "./run.ts";

/** What docs/recipes.md uses. Next.js is not among them: it has 340 MB. */
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
  const types = `@types/node@${manifest.devDependencies["@types/node"]}`;
  const command = [
    "npm",
    "install",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    types,
    ...RECIPE_PACKAGES,
    ...tarballs,
  ];
  const result = await run(command, { cwd: project, timeoutMs: 240_000 });
  if (result.exitCode !== 0) throw new Error(`npm could not install the tarballs:\n${result.output}`);
  return join(project, "node_modules");
}
