import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/**
 * Identifies this machine, boot and process namespace: two processes with the same text can see each other's PIDs.
 * Workers compute the same text: `hostname/boot id/pid namespace`, with unreadable parts left empty.
 */
export function readHostId(): string {
  return [
    hostname(),
    orEmpty(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    orEmpty(() => readlinkSync("/proc/self/ns/pid")),
  ].join("/");
}

/**
 * Whether the process with this PID and start time is certainly gone: it does not exist, is a zombie, or its PID
 * belongs to another process by now. Unknown counts as alive.
 *
 * @param processStart field 22 of /proc/PID/stat; empty when the worker could not read it
 */
export function isProcessGone(pid: number, processStart: string): boolean {
  const stat = orEmpty(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  if (stat === "") return !answersSignals(pid);
  // The command, in parentheses, may contain spaces and parentheses: count fields from the last closing one.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const isZombie = fields[0] === "Z" || fields[0] === "X";
  return isZombie || (processStart !== "" && fields[19] !== processStart);
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function orEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    // Not Linux, or not allowed: the part stays unknown.
    return "";
  }
}
