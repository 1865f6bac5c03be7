import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Pids of other processes whose command line holds this text, such as a path that only our own were given. */
export function findProcesses(text: string): readonly number[] {
  const found = existsSync("/proc/self/cmdline") ? fromProc(text) : fromPs(text);
  return found.filter((pid) => pid !== process.pid);
}

function fromProc(text: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && commandLine(name).includes(text))
    .map(Number);
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    // Ended meanwhile.
    return "";
  }
}

function fromPs(text: string): readonly number[] {
  return execFileSync("ps", ["-axo", "pid=,command="], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes(text))
    .map((line) => Number.parseInt(line, 10));
}
