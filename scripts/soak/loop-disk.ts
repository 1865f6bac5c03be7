/** A disk in a file, whose power can be cut: what was not fsynced is gone. Needs root on Linux. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a disk is formatted with. */
export type FileSystem = "ext4" | "xfs";

/** xfs takes no less than 300 MB. */
const DISK_BYTES = 512 * 1024 * 1024;
const UNMOUNT_TRIES = 50;
const UNMOUNT_PAUSE_MS = 100;

const mounted = new Set<LoopDisk>();
// A run that ends early leaves no mount and no loop device behind.
process.on("exit", () => {
  for (const disk of mounted) disk.removeNow();
});

/** Why power cuts cannot be simulated here; null when they can. */
export function powerCutObstacle(): string | null {
  if (process.platform !== "linux") return "power cuts are simulated on Linux only";
  if (process.getuid?.() !== 0) return "loop devices and mounts need root: run it as root";
  const tools = { losetup: "mount", mount: "mount", "mkfs.ext4": "e2fsprogs", xfs_io: "xfsprogs" };
  const missing = Object.entries(tools).filter(([tool]) => Bun.which(tool) === null);
  if (missing.length === 0) return null;
  const packages = [...new Set(missing.map(([, name]) => name))].join(" ");
  return `${missing.map(([tool]) => tool).join(", ")} not there: apt-get install ${packages}`;
}

/** Those that this machine can make. */
export function availableFileSystems(): readonly FileSystem[] {
  return Bun.which("mkfs.xfs") === null ? ["ext4"] : ["ext4", "xfs"];
}

/** A mounted disk of its own. `remove` in any case; the end of the process removes it too. */
export class LoopDisk {
  readonly mountPoint: string;
  readonly #image: string;
  readonly #device: string;

  /** Throws with the tool's own words when it cannot be made. */
  constructor(directory: string, fileSystem: FileSystem) {
    this.mountPoint = join(directory, "disk");
    this.#image = join(directory, "disk.img");
    mkdirSync(this.mountPoint, { recursive: true });
    writeFileSync(this.#image, "");
    truncateSync(this.#image, DISK_BYTES);
    this.#device = run("losetup", "--find", "--show", this.#image).trim();
    mounted.add(this);
    try {
      run(`mkfs.${fileSystem}`, fileSystem === "xfs" ? "-f" : "-F", "-q", this.#device);
      this.#mount();
    } catch (error) {
      this.removeNow();
      throw error;
    }
  }

  /** Writes out all that is there now, so that only what comes later can be lost. */
  sync(): void {
    run("sync", "-f", this.mountPoint);
  }

  /** Drops what is not on the disk; every later access fails until `restorePower`. */
  cutPower(): void {
    run("xfs_io", "-x", "-c", "shutdown", this.mountPoint);
  }

  /** Mounts again what had reached the disk. Processes that used it must be gone. */
  async restorePower(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        run("umount", this.mountPoint);
        break;
      } catch (error) {
        if (attempt === UNMOUNT_TRIES) throw error;
        await Bun.sleep(UNMOUNT_PAUSE_MS);
      }
    }
    this.#mount();
  }

  /** Harmless when it is gone already. */
  removeNow(): void {
    spawnSync("umount", ["--lazy", this.mountPoint]);
    spawnSync("losetup", ["--detach", this.#device]);
    rmSync(this.#image, { force: true });
    mounted.delete(this);
  }

  #mount(): void {
    run("mount", this.#device, this.mountPoint);
  }
}

function run(command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? stderr.trim()}`);
}
