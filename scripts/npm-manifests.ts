/** The `package.json` of each package that goes to npm. */
import manifest from "../package.json" with { type: "json" };

/** Our packages by what `process.platform` and `process.arch` say, and the release build that each carries. */
export const platforms = [
  { platform: "linux", arch: "x64", built: "reseolio-linux-x64" },
  { platform: "linux", arch: "arm64", built: "reseolio-linux-arm64" },
  { platform: "darwin", arch: "x64", built: "reseolio-darwin-x64" },
  { platform: "darwin", arch: "arm64", built: "reseolio-darwin-arm64" },
  { platform: "win32", arch: "x64", built: "reseolio-windows-x64.exe" },
] as const;

export type Platform = (typeof platforms)[number];

export type PackageManifest = Readonly<Record<string, unknown>>;

/**
 * Of the SDK. `published`: with the platform packages as optional dependencies, so that npm brings the executable along;
 * without, a tarball installs from a registry that does not have them.
 */
export function sdkManifest(dependencies: Readonly<Record<string, string>>, published: boolean): PackageManifest {
  return {
    name: manifest.name,
    version: manifest.version,
    description: manifest.description,
    license: manifest.license,
    keywords: ["durable-execution", "job-queue", "background-jobs", "workflow", "retry", "sqlite"],
    type: "module",
    sideEffects: false,
    engines: { node: ">=20" },
    exports: {
      ".": { types: "./src/sdk/index.d.ts", default: "./src/sdk/index.js" },
      "./testing": { types: "./src/testing/index.d.ts", default: "./src/testing/index.js" },
      "./package.json": "./package.json",
    },
    dependencies,
    // The types name EventEmitter; a JavaScript user needs none.
    peerDependencies: { "@types/node": ">=20" },
    peerDependenciesMeta: { "@types/node": { optional: true } },
    ...(published ? { optionalDependencies: platformDependencies() } : {}),
  };
}

/** Manifest of the package with the executable; npm skips it on every other platform. */
export function platformManifest(platform: Platform, executable: string): PackageManifest {
  return {
    name: platformName(platform),
    version: manifest.version,
    description: `The reseolio executable for ${platform.platform} on ${platform.arch}.`,
    license: manifest.license,
    os: [platform.platform],
    cpu: [platform.arch],
    ...(platform.platform === "linux" ? { libc: ["glibc"] } : {}),
    bin: { reseolio: executable },
    preferUnplugged: true,
  };
}

function platformDependencies(): Readonly<Record<string, string>> {
  return Object.fromEntries(platforms.map((platform) => [platformName(platform), manifest.version]));
}

/** The name that `sdk/sidecar/find-binary.ts` looks for. */
function platformName({ platform, arch }: Platform): string {
  return `@reseolio/${platform}-${arch}`;
}
