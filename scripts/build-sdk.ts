/**
 * Packs the SDK for npm: `dist/npm/reseolio-VERSION.tgz` (ESM and types, no native addon), and a package with the
 * executable for each platform that is built, `dist/npm/reseolio-PLATFORM-ARCH-VERSION.tgz`.
 *
 *     bun scripts/build-sdk.ts               for use here: both tarballs are installed by hand
 *     bun scripts/build-sdk.ts --published   for the registry: the main package names the others as optional
 */
import { existsSync } from "node:fs";
import { chmod, copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { platformManifest, platforms, sdkManifest } from "./npm-manifests.ts";
import type { PackageManifest, Platform } from "./npm-manifests.ts";
import { packDocuments } from "./pack-documents.ts";
import { checkout, prepareCheckout } from "./prepare.ts";
import { run } from "./run.ts";

export interface SdkOptions {
  /** The main package names the platform packages as optional dependencies: only once they are on the registry. */
  readonly published: boolean;
  /** [dist/npm] */
  readonly outDirectory?: string;
}

/** Paths of the tarballs, the SDK's first. Builds the executable when it is missing or stale. */
export async function buildSdk(options: SdkOptions): Promise<readonly string[]> {
  await prepareCheckout();
  const outDirectory = options.outDirectory ?? join(checkout, "dist", "npm");
  await mkdir(outDirectory, { recursive: true });
  const room = await mkdtemp(join(checkout, "dist", ".sdk-"));
  try {
    const tarballs = await packAll(room, options.published);
    return await Promise.all(tarballs.map((tarball) => moveTo(outDirectory, tarball)));
  } finally {
    await rm(room, { recursive: true, force: true });
  }
}

async function moveTo(directory: string, file: string): Promise<string> {
  const path = join(directory, basename(file));
  // Not by renaming: the directory may be on another disk.
  await copyFile(file, path);
  return path;
}

async function packAll(room: string, published: boolean): Promise<readonly string[]> {
  const main = await packSdk(room, published);
  const others: string[] = [];
  for (const platform of platforms) {
    const executable = executableFor(platform);
    if (executable !== undefined) others.push(await packPlatform(room, platform, executable));
  }
  return [main, ...others];
}

async function packSdk(room: string, published: boolean): Promise<string> {
  const directory = join(room, "reseolio");
  await emit(directory);
  await cp(join(checkout, "proto", "reseolio"), join(directory, "proto", "reseolio"), { recursive: true });
  await packDocuments(checkout, directory);
  await writeManifest(directory, sdkManifest(await importedDependencies(directory), published));
  return await pack(directory);
}

/** TypeScript writes `src/sdk`, `src/testing` and what they need of `proto` as ESM and declarations; a type error stops it. */
async function emit(directory: string): Promise<void> {
  const source = `${directory}-source`;
  for (const folder of ["src/sdk", "src/testing", "proto"]) await copySource(folder, source);
  await writeFile(join(source, "tsconfig.json"), JSON.stringify(compilerSettings(source, directory)));
  const tsc = join(checkout, "node_modules", ".bin", "tsc");
  const result = await run([tsc, "-p", source], { cwd: checkout });
  if (result.exitCode !== 0) throw new Error(`the SDK does not compile for Node 20:\n${result.output}`);
  await pointDeclarationsAtModules(directory);
}

/** TypeScript rewrites imports in code and leaves those in declarations, which older compilers refuse. */
async function pointDeclarationsAtModules(directory: string): Promise<void> {
  const names = await readdir(directory, { recursive: true });
  for (const name of names.filter((candidate) => candidate.endsWith(".d.ts"))) {
    const path = join(directory, name);
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replaceAll(/((?:from|import\()\s*"\.[^"]*)\.ts"/g, '$1.js"'));
  }
}

/** With `#proto/…` made relative: only relative imports are rewritten from .ts to .js. */
async function copySource(folder: string, destination: string): Promise<void> {
  const names = await readdir(join(checkout, folder), { recursive: true });
  for (const name of names.filter((candidate) => candidate.endsWith(".ts"))) {
    const path = join(folder, name);
    const text = await readFile(join(checkout, path), "utf8");
    const toProto = relative(dirname(path), "proto").replaceAll("\\", "/");
    const target = join(destination, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, text.replaceAll(/(["'])#proto\//g, `$1${toProto.startsWith(".") ? "" : "./"}${toProto}/`));
  }
}

function compilerSettings(source: string, outDir: string): unknown {
  return {
    extends: join(checkout, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      noEmitOnError: true,
      rootDir: source,
      outDir,
      declaration: true,
      stripInternal: true,
      rewriteRelativeImportExtensions: true,
      // What Node 20 has: a newer built-in must not slip in.
      target: "es2022",
      lib: ["es2023", "es2024.string", "esnext.disposable"],
      types: ["node"],
    },
    include: [],
    files: ["sdk", "testing"].map((room) => join(source, "src", room, "index.ts")),
  };
}

/** Exactly the versions that the tests vouch for, of the packages that the emitted code names and no others. */
async function importedDependencies(directory: string): Promise<Readonly<Record<string, string>>> {
  const names = await readdir(directory, { recursive: true });
  const texts = await Promise.all(
    names.filter((name) => /\.(js|d\.ts)$/.test(name)).map((name) => readFile(join(directory, name), "utf8")),
  );
  const specifiers = texts.flatMap((text) => [
    ...text.matchAll(/(?<!["'])\b(?:from|import)\s*\(?["']([^"'.#][^"']*)["']/g),
  ]);
  const packages = new Set(
    specifiers.map((match) => packageOf(match[1] ?? "")).filter((name) => !name.startsWith("node:")),
  );
  const known: Readonly<Record<string, string>> = manifest.dependencies;
  return Object.fromEntries([...packages].toSorted().map((name) => [name, pinned(known, name)]));
}

function packageOf(specifier: string): string {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? "");
}

function pinned(known: Readonly<Record<string, string>>, name: string): string {
  const version = known[name];
  if (version === undefined) throw new Error(`the SDK imports ${name}, which package.json does not list`);
  return version;
}

/** The release build for that platform, or for this machine the everyday one. */
function executableFor(platform: Platform): string | undefined {
  const here = platform.platform === process.platform && platform.arch === process.arch;
  const everyday = join(checkout, "dist", platform.platform === "win32" ? "reseolio.exe" : "reseolio");
  return [...(here ? [everyday] : []), join(checkout, "dist", platform.built)].find((path) => existsSync(path));
}

async function packPlatform(room: string, platform: Platform, executable: string): Promise<string> {
  const directory = join(room, `${platform.platform}-${platform.arch}`);
  const file = join("bin", platform.platform === "win32" ? "reseolio.exe" : "reseolio");
  await mkdir(join(directory, "bin"), { recursive: true });
  await copyFile(executable, join(directory, file));
  await chmod(join(directory, file), 0o755);
  await cp(join(checkout, "LICENSE"), join(directory, "LICENSE"));
  await writeManifest(directory, platformManifest(platform, file));
  return await pack(directory);
}

async function writeManifest(directory: string, content: PackageManifest): Promise<void> {
  await writeFile(join(directory, "package.json"), `${JSON.stringify(content, null, 2)}\n`);
}

async function pack(directory: string): Promise<string> {
  const result = await run(["npm", "pack", "--json", "--loglevel=error", "--pack-destination", directory], {
    cwd: directory,
  });
  const [tarball] = (await readdir(directory)).filter((name) => name.endsWith(".tgz"));
  if (result.exitCode !== 0 || tarball === undefined)
    throw new Error(`npm pack failed in ${directory}:\n${result.output}`);
  return join(directory, tarball);
}

if (import.meta.main) {
  const words = process.argv.slice(2);
  const unknown = words.filter((word) => word !== "--published");
  if (unknown.length > 0) {
    process.stderr.write(`build-sdk: ${unknown.join(" ")} is not an option; there is --published\n`);
    process.exit(2);
  }
  const tarballs = await buildSdk({ published: words.length > 0 });
  for (const tarball of tarballs) process.stdout.write(`${tarball}\n`);
}
