/** The npm tarballs installed in an empty project, as a user has them; made once for all tests of a run. */
import { spawn } from "node:child_process";
import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installPackages, installSdk } from "../../scripts/install-sdk.ts";
import { checkout } from "../support/executable.ts";
import { runCommand } from "../support/run-command.ts";

let installed: Promise<string> | undefined;

/**
 * The `node_modules` of the project: that of `RESEOLIO_TEST_MODULES`, which `bun run check` makes, or a new one, which
 * takes up to a minute.
 */
export function installedModules(): Promise<string> {
  installed ??= install();
  return installed;
}

async function install(): Promise<string> {
  const made = process.env["RESEOLIO_TEST_MODULES"];
  if (made !== undefined && made !== "") return made;
  const project = await mkdtemp(join(tmpdir(), "reseolio-installed-"));
  removeWithThisProcess(project);
  return await installSdk(project);
}

/** By a shell that waits for the end of its standard input: `bun test` emits no "exit". */
function removeWithThisProcess(directory: string): void {
  const script = 'trap "" HUP INT TERM; cat >/dev/null; rm -rf "$0"';
  const shell = spawn("/bin/sh", ["-c", script, directory], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  shell.unref();
}

/** What `create-next-app` installs, as far as a project without pages uses it; 500 MB with the tarballs. */
const NEXT_PACKAGES = ["next@16.4.6", "react@19.3.1", "react-dom@19.3.1", "typescript@7.0.2", "@types/react@19.3.3"];

/** Next.js and the tarballs, installed in the project itself: it takes no package through a link that leaves the project. */
export async function installNext(project: string): Promise<void> {
  const tarballs = join(await installedModules(), "..", "tarballs");
  const paths = (await readdir(tarballs)).map((name) => join(tarballs, name));
  await installPackages(project, [...NEXT_PACKAGES, ...paths]);
}

/** What the strictest compiler says of a program that uses the installed package; empty when nothing. */
export async function typeFaults(
  directory: string,
  file: string,
  { unusedIsFine = false, isBundled = false }: { readonly unusedIsFine?: boolean; readonly isBundled?: boolean } = {},
): Promise<string> {
  const tsc = join(checkout, "node_modules", ".bin", "tsc");
  const settings = "--noEmit --ignoreConfig --strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess";
  const target = "--target es2022 --types node --verbatimModuleSyntax";
  // Packages of others have faults of their own.
  const modules = isBundled
    ? "--module esnext --moduleResolution bundler --experimentalDecorators --skipLibCheck"
    : "--module nodenext";
  const unused = unusedIsFine ? [] : ["--noUnusedLocals"];
  const flags = [settings, target, modules].flatMap((words) => words.split(" ")).concat(unused);
  const { stdout, stderr } = await runCommand([tsc, ...flags, file], { cwd: directory });
  return stdout + stderr;
}

/** The same program without types: Node 20 runs no other. */
export function withoutTypes(program: string): string {
  return new Bun.Transpiler({ loader: "ts", target: "node" }).transformSync(program);
}
