/** A directory of its own in which snippets run as a reader would run them, on a port of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { findProcesses } from "../../scripts/demo/find-processes.ts";
import { reseolioCommand } from "../support/executable.ts";
import { freePort } from "../support/free-port.ts";
import { environment } from "../support/run-command.ts";
import { tempDir } from "../support/temp-dir.ts";

/** The address that documents use for the daemon, and the port that they use for a web server. */
const WRITTEN_ADDRESS = "127.0.0.1:50051";
const WRITTEN_PORT = /\b3000\b/g;

export interface World extends AsyncDisposable {
  readonly path: string;
  /** `127.0.0.1:PORT`, in place of the one in the documents and as RESEOLIO_ADDR. */
  readonly address: string;
  /** Writes a file; the documents' address and port become the world's. */
  write(name: string, text: string): Promise<void>;
  /**
   * Runs one script in bash, strictly: any command that fails ends it. `reseolio` is on PATH. Everything that it leaves
   * behind is ended too.
   */
  runScript(script: string, env?: Readonly<Record<string, string>>): Promise<ScriptResult>;
  /** SIGKILL for the script that runs, all that it started, and daemons that the SDK started for it. */
  killAll(): void;
}

export interface ScriptResult {
  readonly exitCode: number | null;
  /** All that was printed outside of `capture`. */
  readonly log: string;
}

/** @param modules a `node_modules` to use */
export async function createWorld(modules?: string): Promise<World> {
  const dir = await tempDir("reseolio-readme-");
  const address = `127.0.0.1:${await freePort()}`;
  const webPort = String(await freePort());
  const local = (text: string): string => text.replaceAll(WRITTEN_ADDRESS, address).replaceAll(WRITTEN_PORT, webPort);
  await mkdir(dir.file("bin"));
  await writeFile(dir.file("bin", "reseolio"), `#!/bin/sh\nexec ${reseolioCommand().map(quote).join(" ")} "$@"\n`);
  await chmod(dir.file("bin", "reseolio"), 0o755);
  await mkdir(dir.file("home"));
  if (modules !== undefined) await symlink(modules, dir.file("node_modules"));
  const groups = new Set<number>();
  const killAll = (): void => {
    for (const group of groups) killQuietly(-group);
    // Daemons that the SDK started: their database is in the directory, and its path in their arguments.
    for (const pid of findProcesses(dir.path)) killQuietly(pid);
  };
  return {
    killAll,
    path: dir.path,
    address,
    write: async (name, text) => {
      await mkdir(dirname(dir.file(name)), { recursive: true });
      await writeFile(dir.file(name), local(text));
    },
    runScript: async (script, env = {}) => {
      await writeFile(dir.file("script.sh"), local(`${PRELUDE}\n${script}`));
      const path = `${dir.file("bin")}:${process.env["PATH"] ?? ""}`;
      // `next start` listens on PORT, which is 3000 when it is not set.
      const own = { PATH: path, HOME: dir.file("home"), RESEOLIO_ADDR: address, PORT: webPort };
      return runBash(dir.path, { ...own, ...env }, groups);
    },
    [Symbol.asyncDispose]: async () => {
      killAll();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** A person takes longer to type the next line than a daemon takes to start. */
const PRELUDE = `
set -euo pipefail
trap 'code=$?; set +e; kill $(jobs -p) 2>/dev/null; wait; exit $code' EXIT
until_ready() {
  for _ in $(seq 200); do
    if curl -sf "http://$RESEOLIO_ADDR/readyz" >/dev/null; then return; fi
    sleep 0.05
  done
  echo "the daemon is not ready" >&2
  exit 99
}
until_listening() {
  curl -s --retry 99 --retry-connrefused --retry-delay 0 --retry-max-time 20 -o /dev/null "http://localhost:3000"
}
`;

/** What a snippet in a shell becomes inside a script: its output goes to a file. */
export function capture(name: string, commands: string): string {
  const patient = commands
    .replaceAll(/^reseolio serve.*&$/gm, "$&\nuntil_ready")
    .replaceAll(/^(?:node server|.*npx next start).*&$/gm, "$&\nuntil_listening");
  return `exec 3>&1 >${quote(name)}\n${patient}\nexec >&3\n`;
}

/** `next build` takes 12 s on two idle cores. */
const TIMEOUT_MS = 80_000;

async function runBash(cwd: string, env: Readonly<Record<string, string>>, groups: Set<number>): Promise<ScriptResult> {
  const log = `${cwd}/script.log`;
  const descriptor = openSync(log, "w");
  const stdio = ["ignore", descriptor, descriptor] as const;
  const child = spawn("bash", ["script.sh"], { cwd, env: environment(env), detached: true, stdio: [...stdio] });
  closeSync(descriptor);
  const group = child.pid!;
  groups.add(group);
  const timer = setTimeout(() => killQuietly(-group), TIMEOUT_MS);
  const [exitCode] = (await once(child, "exit")) as [number | null];
  clearTimeout(timer);
  killQuietly(-group);
  groups.delete(group);
  return { exitCode, log: await readFile(log, "utf8") };
}

/** A negative pid is a process group. */
function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
