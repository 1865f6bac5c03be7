import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** Identifies a process uniquely, even if a later one has the same PID. */
export interface ProcessIdentity {
  /** Host name, for people. */
  readonly host: string;
  /**
   * `HOSTNAME/BOOT_ID/PID_NAMESPACE`: equal for two processes exactly if each can see the other's PID. On Linux
   * BOOT_ID is /proc/sys/kernel/random/boot_id and PID_NAMESPACE the text of the link /proc/self/ns/pid; parts
   * that cannot be read are empty.
   */
  readonly hostId: string;
  readonly pid: number;
  /** Field 22 of /proc/PID/stat on Linux: clock ticks from boot to the start of the process. Empty elsewhere. */
  readonly processStart: string;
}

export function readProcessIdentity(): ProcessIdentity {
  const host = hostname();
  return { host, hostId: readHostId(host), pid: process.pid, processStart: readProcessStart("self") };
}

function readHostId(host: string): string {
  const bootId = readOrEmpty(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
  const namespace = readOrEmpty(() => readlinkSync("/proc/self/ns/pid"));
  return `${host}/${bootId}/${namespace}`;
}

function readProcessStart(pid: number | "self"): string {
  return readOrEmpty(() => processStartOf(readFileSync(`/proc/${pid}/stat`, "utf8")));
}

/** Parses the start time from the text of /proc/PID/stat; empty if the format is unknown. */
export function processStartOf(stat: string): string {
  // The second field is the command in brackets and may itself hold spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[19] ?? "";
}

function readOrEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    // Not Linux, or /proc is not mounted: the empty part shows that the identity is weaker.
    return "";
  }
}
