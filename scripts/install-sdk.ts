/** Installs the npm tarballs in an empty project, as a user has them. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { buildSdk } from "./build-sdk.ts";
import { run } from "./run.ts";

/** Builds the tarballs and installs them in `project`, an empty directory. Returns its `node_modules`. */
export async function installSdk(project: string): Promise<string> {
  await mkdir(project, { recursive: true });
  const tarballs = await buildSdk({ published: false, outDirectory: join(project, "tarballs") });
  await writeFile(join(project, "package.json"), '{ "private": true, "type": "module" }\n');
  const types = `@types/node@${manifest.devDependencies["@types/node"]}`;
  const command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", types, ...tarballs];
  const result = await run(command, { cwd: project, timeoutMs: 120_000 });
  if (result.exitCode !== 0) throw new Error(`npm could not install the tarballs:\n${result.output}`);
  return join(project, "node_modules");
}
