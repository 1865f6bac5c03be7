import { describe, expect, test } from "bun:test";
import manifest from "../../../package.json" with { type: "json" };
import { platformManifest, platforms, sdkManifest } from "../../../scripts/npm-manifests.ts";
import { TARGETS } from "../../../scripts/targets.ts";
import { findBinary } from "../../../src/sdk/sidecar/find-binary.ts";

describe("the package of the SDK", () => {
  test("names the platform packages only when it is published, all with its own version", () => {
    expect(sdkManifest({}, false)).not.toHaveProperty("optionalDependencies");
    const { optionalDependencies } = sdkManifest({}, true);
    expect(Object.keys(optionalDependencies as object)).toHaveLength(platforms.length);
    expect([...new Set(Object.values(optionalDependencies as object))]).toEqual([manifest.version]);
  });
});

describe("the package of a platform", () => {
  for (const platform of platforms) {
    test(`of ${platform.platform} on ${platform.arch} is the one that the SDK looks for there`, () => {
      const asked: string[] = [];
      const search = (): string =>
        findBinary({
          platform: platform.platform,
          arch: platform.arch,
          env: { PATH: "" },
          resolvePackageFile: (specifier) => {
            asked.push(specifier);
            throw new Error("not here");
          },
        });
      expect(search).toThrow("not found");
      const { name, os, cpu } = platformManifest(platform, "bin/reseolio");
      expect(asked).toEqual([`${String(name)}/package.json`]);
      expect({ os, cpu }).toEqual({ os: [platform.platform], cpu: [platform.arch] });
    });
  }

  test("carries an executable that a release builds", () => {
    const released = Object.keys(TARGETS).map(
      (target) => `reseolio-${target}${target.startsWith("windows") ? ".exe" : ""}`,
    );
    expect(platforms.map((platform) => platform.built).filter((file) => !released.includes(file))).toEqual([]);
  });
});
