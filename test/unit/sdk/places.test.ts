/** Where the daemon, its storage and its executable are. */
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type ReseolioOptions, resolveOptions } from "../../../src/sdk/reseolio-options.ts";
import { findBinary } from "../../../src/sdk/sidecar/find-binary.ts";
import { isSameStorage, parseStorage, storageName } from "../../../src/sdk/sidecar/storage.ts";
import { parseAddress, parseAddresses } from "../../../src/sdk/transport/address.ts";
import { processStartOf, readProcessIdentity } from "../../../src/sdk/worker/process-identity.ts";
import { tempDir } from "../../support/temp-dir.ts";

describe("an address", () => {
  test.each([
    ["127.0.0.1:50051", false, "http://127.0.0.1:50051"],
    ["localhost", false, "http://localhost:50051"],
    ["[::1]:7000", false, "http://[::1]:7000"],
    ["[::1]", false, "http://[::1]:50051"],
    ["host:80", false, "http://host:80"],
    ["host:443", true, "https://host:443"],
    ["http://host", false, "http://host:80"],
    ["https://host", false, "https://host:443"],
    ["https://host:9000/", false, "https://host:9000"],
  ])("%s is %s", (text, secure, origin) => expect(parseAddress(text, secure).origin).toBe(origin));

  test.each([
    [""],
    ["host:"],
    ["host:99999"],
    ["http://host/path"],
    ["ftp://host"],
    ["a b:1"],
    ["user@host:1"],
    ["host:0"],
  ])("%p is refused", (text) => expect(() => parseAddress(text, false)).toThrow(JSON.stringify(text)));
});

describe("several addresses", () => {
  test.each([
    ["a:1,b:2", ["http://a:1", "http://b:2"]],
    [
      ["a:1", "b:2, c:3"],
      ["http://a:1", "http://b:2", "http://c:3"],
    ],
    [" a:1 , a:1 ", ["http://a:1"]],
  ])("%p are tried in this order, each once", (given, origins) =>
    expect(parseAddresses(given, false).map(({ origin }) => origin)).toEqual(origins as string[]),
  );

  test.each([[[]], ["a:1,"], [["a:1", ""]]])("%p is refused", (given) =>
    expect(() => parseAddresses(given, false)).toThrow("is not valid"),
  );

  test("start no daemon and ask for no storage, unless it is named; autoStart with them is refused", () => {
    const { sidecar } = resolveOptions({ address: ["a:1", "b:2"] }, {}, "/");
    expect(sidecar).toMatchObject({ autoStart: false, storage: undefined });
    expect(resolveOptions({}, { RESEOLIO_ADDR: "a:1,b:2" }, "/").sidecar.autoStart).toBe(false);
    expect(() => resolveOptions({ address: "a:1,b:2", autoStart: true }, {}, "/")).toThrow("autoStart");
  });
});

describe("a storage", () => {
  test.each([
    ["sqlite://./jobs.db", "/app/jobs.db"],
    ["sqlite:///var/jobs.db", "/var/jobs.db"],
    ["jobs.db", "/app/jobs.db"],
    ["../jobs.db", "/jobs.db"],
  ])("%s means %s in /app", (text, path) => expect(parseStorage(text, "/app")).toEqual({ kind: "sqlite", path }));

  test("a password is never in its name nor in an error", () => {
    const storage = parseStorage("postgres://me:secret@db/jobs", "/app");
    expect(storageName(storage)).toBe("db:5432/jobs");
    expect(isSameStorage(storage, "postgres", "db:5432/jobs")).toBe(true);
    const other = parseStorage("postgres://me:secret@db/jobs?schema=night", "/app");
    expect(isSameStorage(other, "postgres", "db:5432/jobs")).toBe(false);
    expect(isSameStorage(other, "postgres", "db:5432/jobs?schema=night")).toBe(true);
    expect(isSameStorage(storage, "sqlite", "db:5432/jobs")).toBe(false);
    expect(() => parseStorage("mysql://me:secret@db/jobs", "/app")).toThrow(/^(?!.*secret).*unknown scheme mysql/);
  });

  test("a link to a file is that file", async () => {
    await using dir = await tempDir("reseolio-storage-");
    mkdirSync(dir.file("real"));
    symlinkSync(dir.file("real"), dir.file("link"));
    const storage = parseStorage(join(dir.file("link"), "new.db"), "/");
    expect(isSameStorage(storage, "sqlite", join(dir.file("real"), "new.db"))).toBe(true);
    expect(isSameStorage(storage, "sqlite", join(dir.file("real"), "other.db"))).toBe(false);
  });
});

describe("the executable", () => {
  function executable(path: string): string {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "#!/bin/sh\n");
    chmodSync(path, 0o755);
    return path;
  }
  const noPackage = (): string => {
    throw new Error("not installed");
  };

  test("coreBinaryPath comes before RESEOLIO_BINARY, the package of the platform, and PATH", async () => {
    await using dir = await tempDir("reseolio-binary-");
    const option = executable(dir.file("option/mine"));
    const variable = executable(dir.file("variable/other"));
    const packaged = executable(dir.file("package/bin/reseolio"));
    const onPath = executable(dir.file("path/reseolio"));
    const asked: string[] = [];
    const search = {
      coreBinaryPath: "option/mine",
      cwd: dir.path,
      platform: "linux",
      arch: "x64",
      env: { RESEOLIO_BINARY: variable, PATH: `/nonexistent:${dirname(onPath)}` },
      resolvePackageFile: (specifier: string) => {
        asked.push(specifier);
        return dir.file("package/package.json");
      },
    };
    expect(findBinary(search)).toBe(option);
    expect(findBinary({ ...search, coreBinaryPath: undefined })).toBe(variable);
    const plain = { ...search, coreBinaryPath: undefined, env: { PATH: search.env.PATH } };
    expect(findBinary(plain)).toBe(packaged);
    expect(asked).toEqual(["@reseolio/linux-x64/package.json"]);
    expect(findBinary({ ...plain, resolvePackageFile: noPackage })).toBe(onPath);
  });

  test("a place that was named has to be right", async () => {
    await using dir = await tempDir("reseolio-binary-");
    writeFileSync(dir.file("plain"), "", { mode: 0o644 });
    const onPath = executable(dir.file("path/reseolio"));
    const env = { PATH: dirname(onPath) };
    expect(() => findBinary({ coreBinaryPath: dir.file("absent"), env })).toThrow(
      /coreBinaryPath is set to .*absent, which does not exist/,
    );
    expect(() => findBinary({ coreBinaryPath: dir.path, env })).toThrow("is not a file");
    expect(() => findBinary({ env: { ...env, RESEOLIO_BINARY: dir.file("absent") } })).toThrow(
      "RESEOLIO_BINARY is set to",
    );
  });

  test("when it is nowhere, the error lists every place and the fix", () => {
    const search = { env: { PATH: "/one:/two" }, platform: "linux", arch: "arm64", resolvePackageFile: noPackage };
    expect(() => findBinary(search)).toThrow(
      /coreBinaryPath \(not set\), RESEOLIO_BINARY \(not set\), package @reseolio\/linux-arm64 \(not installed\), PATH \(\/one:\/two\).*autoStart: false/,
    );
  });
});

describe("options of a client", () => {
  test("option, else environment, else default", () => {
    const env = { RESEOLIO_ADDR: "host:1", RESEOLIO_TOKEN: "t", RESEOLIO_DB: "env.db" };
    const fromEnv = resolveOptions({}, env, "/app");
    expect(fromEnv.client).toEqual({ address: "host:1", token: "t" });
    expect(fromEnv.sidecar.storage).toEqual({ kind: "sqlite", path: "/app/env.db" });
    const given = resolveOptions({ address: "other:2", token: "u", storage: "mine.db" }, env, "/app");
    expect(given.client).toEqual({ address: "other:2", token: "u" });
    expect(given.sidecar.storage).toEqual({ kind: "sqlite", path: "/app/mine.db" });
    const plain = resolveOptions({}, {}, "/app");
    expect(plain.client).toEqual({ address: "127.0.0.1:50051" });
    expect(plain.sidecar).toMatchObject({ autoStart: true, storage: { path: "/app/reseolio.db" } });
    expect(plain.workerConcurrency).toBe(10);
  });

  test("a client that only connects takes whatever storage is served, unless it names one", () => {
    expect(resolveOptions({ autoStart: false }, { RESEOLIO_DB: "env.db" }, "/app").sidecar.storage).toBeUndefined();
    expect(resolveOptions({ autoStart: false, storage: "a.db" }, {}, "/app").sidecar.storage).toBeDefined();
  });

  test.each([
    [{ workerConcurrency: -1 }, "option workerConcurrency is -1"],
    [{ workerConcurrency: 1.5 }, "option workerConcurrency is 1.5"],
    [{ address: "no way" }, 'address "no way"'],
    [{ storage: "" }, "storage has no path"],
    [{ adress: "a" }, "option adress does not exist"],
    [{ callTimeoutMs: 0 }, "option callTimeoutMs is 0"],
    [null, "the options are null; pass an object"],
  ])("%p is refused", (options, fault) => {
    expect(() => resolveOptions(options as ReseolioOptions, {}, "/app")).toThrow(fault);
  });
});

describe("the identity of a process", () => {
  test("tells the start time also of a command with brackets and spaces", () => {
    const fields = Array.from({ length: 20 }, (_, index) => (index === 19 ? "4711" : String(index)));
    expect(processStartOf(`12 (a) b) (c) ${fields.join(" ")}`)).toBe("4711");
  });

  test("is the same for two readings of one process", () => {
    const identity = readProcessIdentity();
    expect(readProcessIdentity()).toEqual(identity);
    expect(identity.pid).toBe(process.pid);
    if (process.platform !== "linux") return;
    expect(identity.hostId).toMatch(/^[^/]+\/[0-9a-f-]{36}\/pid:\[\d+\]$/);
    expect(identity.processStart).toMatch(/^\d+$/);
  });
});
