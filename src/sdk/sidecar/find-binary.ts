import { accessSync, constants, statSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join, resolve } from "node:path";
import { ReseolioError } from "../errors.ts";

/** Inputs of the search for the executable; defaults to the real environment. */
export interface BinarySearch {
  readonly coreBinaryPath?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly platform?: string;
  readonly arch?: string;
  /** Resolves a file inside an installed package; throws if it does not exist. */
  readonly resolvePackageFile?: (specifier: string) => string;
}

/**
 * Finds the `reseolio` executable: `coreBinaryPath`, else `RESEOLIO_BINARY`, else the package for this platform, else
 * `PATH`. If one of the first two is set it must be valid: nothing else is tried then.
 *
 * @throws ReseolioError `daemon_start` that lists everything searched and what to do
 */
export function findBinary(search: BinarySearch = {}): string {
  const env = search.env ?? process.env;
  const cwd = search.cwd ?? process.cwd();
  const named = search.coreBinaryPath ?? nonEmpty(env["RESEOLIO_BINARY"]);
  if (named !== undefined) {
    const from = search.coreBinaryPath === undefined ? "RESEOLIO_BINARY" : "coreBinaryPath";
    return demandExecutable(resolve(cwd, named), from);
  }
  const searched: string[] = [];
  return findInPackage(search, searched) ?? findOnPath(env, search, searched) ?? notFound(searched);
}

function demandExecutable(path: string, from: string): string {
  const fault = executableFault(path);
  if (fault === null) return path;
  throw new ReseolioError(
    "daemon_start",
    `${from} is set to ${path}, which ${fault}; correct it, or unset it to search the default locations`,
  );
}

function findInPackage(search: BinarySearch, searched: string[]): string | null {
  const name = `@reseolio/${search.platform ?? process.platform}-${search.arch ?? process.arch}`;
  const resolveFile = search.resolvePackageFile ?? createRequire(import.meta.url).resolve;
  try {
    const path = join(dirname(resolveFile(`${name}/package.json`)), "bin", fileName(search));
    searched.push(`package ${name} (${path})`);
    return executableFault(path) === null ? path : null;
  } catch {
    searched.push(`package ${name} (not installed)`);
    return null;
  }
}

function findOnPath(env: NodeJS.ProcessEnv, search: BinarySearch, searched: string[]): string | null {
  const folders = (env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  searched.push(`PATH (${folders.length === 0 ? "empty" : folders.join(delimiter)})`);
  for (const folder of folders) {
    const path = join(folder, fileName(search));
    if (executableFault(path) === null) return path;
  }
  return null;
}

function notFound(searched: readonly string[]): never {
  throw new ReseolioError(
    "daemon_start",
    `the reseolio executable was not found; searched coreBinaryPath (not set), RESEOLIO_BINARY (not set), ${searched.join(", ")}. ` +
      "Set coreBinaryPath or RESEOLIO_BINARY to it, or start a daemon by hand (reseolio serve) and use autoStart: false",
  );
}

function fileName(search: BinarySearch): string {
  return (search.platform ?? process.platform) === "win32" ? "reseolio.exe" : "reseolio";
}

function executableFault(path: string): string | null {
  try {
    if (!statSync(path).isFile()) return "is not a file";
    accessSync(path, constants.X_OK);
    return null;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EACCES"
      ? "is not executable"
      : "does not exist";
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === "" ? undefined : text;
}
