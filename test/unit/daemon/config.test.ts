import { describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { type ConfigSource, type DaemonConfig, readConfig } from "../../../src/daemon/config.ts";
import { SETTINGS } from "../../../src/daemon/settings.ts";
import { tempDir } from "../../support/temp-dir.ts";

function read(flags: ConfigSource["flags"], env: ConfigSource["env"] = {}): ReturnType<typeof readConfig> {
  return readConfig({ flags, env, version: "1.2.3" });
}

function configOf(flags: ConfigSource["flags"], env: ConfigSource["env"] = {}): DaemonConfig {
  const result = read(flags, env);
  if (!result.ok) throw new Error(result.faults.join("\n"));
  return result.config;
}

function faultsOf(flags: ConfigSource["flags"], env: ConfigSource["env"] = {}): readonly string[] {
  const result = read(flags, env);
  return result.ok ? [] : result.faults;
}

describe("settings", () => {
  test("have the defaults that the design names", () => {
    expect(configOf({})).toEqual({
      version: "1.2.3",
      db: "sqlite://./reseolio.db",
      host: "127.0.0.1",
      port: 50051,
      maxConcurrent: 100,
      maxLosses: 10,
      pollIntervalMs: 100,
      leaseMs: 15_000,
      retentionMs: 7 * 86_400_000,
      deadRetentionMs: 30 * 86_400_000,
      eventRetentionMs: 30 * 86_400_000,
      token: null,
      tls: null,
      insecure: false,
      hostNames: [],
      lingerMs: null,
      manualClock: null,
      logLevel: "info",
      logFormat: "auto",
    });
  });

  test("are taken from the flag before the variable before the default; an empty variable is none", () => {
    const env = { RESEOLIO_MAX_CONCURRENT: "7", RESEOLIO_ADDR: "", RESEOLIO_DB: "x.db" };
    expect(configOf({ "max-concurrent": "8" }, env)).toMatchObject({ maxConcurrent: 8, port: 50051, db: "x.db" });
    expect(configOf({}, env).maxConcurrent).toBe(7);
  });

  test("of a manual clock are a time in a database in memory, and nowhere else", () => {
    const clock = "2026-01-01T00:00:00Z";
    expect(configOf({ "manual-clock": clock, db: ":memory:" }).manualClock).toBe(Date.UTC(2026, 0, 1));
    expect(faultsOf({ "manual-clock": clock, db: "jobs.db" })).toEqual([
      '--manual-clock is for tests and needs --db :memory:, but the database is "jobs.db"',
    ]);
    expect(faultsOf({ "manual-clock": "2026-01-01", db: ":memory:" })).toHaveLength(1);
  });

  test("that are 0 are 0, not the default", () => {
    const flags = { "max-concurrent": "0", retention: "0", "dead-retention": "0", linger: "0", addr: "127.0.0.1:0" };
    expect(configOf(flags)).toMatchObject({
      maxConcurrent: 0,
      retentionMs: 0,
      deadRetentionMs: 0,
      lingerMs: 0,
      port: 0,
    });
  });

  test("that are lengths take units, sums of them, fractions, and bare milliseconds", () => {
    const lengths = { "100": 100, "500ms": 500, "10s": 10_000, "1.5m": 90_000, "1m30s": 90_000 };
    for (const [text, ms] of Object.entries(lengths)) {
      expect(`${text} ${configOf({ linger: text }).lingerMs}`).toBe(`${text} ${ms}`);
    }
    expect(configOf({ retention: "2d12h" }).retentionMs).toBe(60 * 3_600_000);
    expect(configOf({}, { RESEOLIO_POLL_INTERVAL: "250" }).pollIntervalMs).toBe(250);
  });

  test("that are addresses take names, IPv4 and IPv6", () => {
    expect(configOf({ addr: "localhost:7000" })).toMatchObject({ host: "localhost", port: 7000 });
    expect(configOf({ addr: "[::1]:7000" })).toMatchObject({ host: "::1", port: 7000 });
    expect(configOf({ addr: "0.0.0.0:1", insecure: true })).toMatchObject({ host: "0.0.0.0", insecure: true });
  });

  test("that are switches take true and false from their variable", () => {
    expect(configOf({}, { RESEOLIO_INSECURE: "1" }).insecure).toBe(true);
    expect(configOf({}, { RESEOLIO_INSECURE: "false" }).insecure).toBe(false);
  });

  test("each have a flag or a variable of their own", () => {
    const names = Object.values(SETTINGS).flatMap(({ flag, variable }) => [variable, ...(flag === null ? [] : [flag])]);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => name.startsWith("RESEOLIO_")).length).toBe(Object.keys(SETTINGS).length);
  });

  test("have defaults that their own parser takes", () => {
    for (const [name, setting] of Object.entries(SETTINGS)) {
      if (setting.defaultText !== null) expect(`${name} ${setting.parse(setting.defaultText).ok}`).toBe(`${name} true`);
    }
  });
});

describe("faults", () => {
  test("are told all at once, each with its flag or variable, its value and what is right", () => {
    const flags = { addr: "localhost", "max-concurrent": "-1", lease: "ten", "log-level": "loud", db: "mysql://h/d" };
    const env = {
      RESEOLIO_RETENTION: "7 days",
      RESEOLIO_POLL_INTERVAL: "1ms",
      RESEOLIO_HOST_NAME: "a b",
      RESEOLIO_INSECURE: "maybe",
    };
    const faults = faultsOf(flags, env);
    expect(faults).toHaveLength(9);
    const given = { ...flags, ...env };
    for (const [name, value] of Object.entries(given)) {
      const label = name.startsWith("RESEOLIO_") ? name : `--${name}`;
      expect(faults.filter((fault) => fault.startsWith(`${label} is ${JSON.stringify(value)}; use `))).toHaveLength(1);
    }
  });

  test("are found in every kind of value", () => {
    const wrong: readonly [string, string][] = [
      ["addr", ":50051"],
      ["addr", "127.0.0.1:65536"],
      ["addr", "::1:50051"],
      ["addr", "http://127.0.0.1:1"],
      ["max-concurrent", "1e3"],
      ["max-concurrent", "1.5"],
      ["max-concurrent", ""],
      ["lease", "0"],
      ["lease", "10"],
      ["lease", "2h"],
      ["lease", "-1s"],
      ["lease", "1s1"],
      ["retention", "99999999999999d"],
      ["linger", "Infinity"],
      ["linger", "1 s"],
      ["db", ""],
      ["host-name", "a.example,"],
      ["host-name", "a.example:80"],
      ["host-name", "http://a.example"],
    ];
    for (const [flag, value] of wrong) {
      expect(`${flag} ${value} ${faultsOf({ [flag]: value }).length}`).toBe(`${flag} ${value} 1`);
    }
  });

  test("never show a token or a password", () => {
    const faults = faultsOf({ db: "mysql://me:hunter2@h/d" }, { RESEOLIO_TOKEN: "hunter 2" });
    expect(faults).toHaveLength(2);
    expect(faults.join()).not.toContain("hunter");
    expect(faults.join()).toContain("RESEOLIO_TOKEN is set to a value that cannot be used");
  });

  test("name what an address that others can reach needs", () => {
    expect(faultsOf({ addr: "0.0.0.0:1" }).join()).toMatch(/^--addr: 0\.0\.0\.0 .*token.*TLS.*--insecure/);
    expect(faultsOf({}, { RESEOLIO_ADDR: "[::]:1", RESEOLIO_TOKEN: "x" }).join()).toMatch(
      /^RESEOLIO_ADDR: :: .*requires TLS/,
    );
    expect(faultsOf({ addr: "127.0.0.1:1" })).toEqual([]);
  });
});

describe("files", () => {
  test("hold the token, and win over the variable; others who can read it are a warning", async () => {
    await using dir = await tempDir("reseolio-config-");
    const path = dir.file("token");
    writeFileSync(path, "from-the-file\n", { mode: 0o600 });
    const env = { RESEOLIO_TOKEN: "from-the-variable" };
    expect(configOf({}, env).token).toBe("from-the-variable");
    expect(configOf({ "token-file": path }, env).token).toBe("from-the-file");
    expect(read({ "token-file": path })).toMatchObject({ warnings: [] });
    chmodSync(path, 0o644);
    const result = read({ "token-file": path });
    expect(result.ok && result.warnings.join()).toContain(`chmod 600 ${path}`);
  });

  test("that are missing or empty are faults that name them", async () => {
    await using dir = await tempDir("reseolio-config-");
    const empty = dir.file("empty");
    writeFileSync(empty, "\n");
    expect(faultsOf({ "token-file": dir.file("none") }).join()).toMatch(
      /--token-file is ".*none", which cannot be read/,
    );
    expect(faultsOf({ "token-file": empty }).join()).toContain("must contain the token");
    expect(faultsOf({ "tls-cert": dir.file("none"), "tls-key": dir.file("none") })).toHaveLength(2);
  });

  test("for TLS come in pairs", async () => {
    await using dir = await tempDir("reseolio-config-");
    const pem = dir.file("pem");
    writeFileSync(pem, "PEM");
    expect(configOf({ "tls-cert": pem, "tls-key": pem }).tls).toEqual({ cert: "PEM", key: "PEM" });
    expect(faultsOf({ "tls-cert": pem })).toEqual(["--tls-cert is given without --tls-key; TLS needs both"]);
    expect(faultsOf({ "tls-key": pem })).toEqual(["--tls-key is given without --tls-cert; TLS needs both"]);
  });
});
