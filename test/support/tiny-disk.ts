import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, openSync, statfsSync, truncateSync, writeSync } from "node:fs";
import { chmod, rm } from "node:fs/promises";
import { tempDir } from "./temp-dir.ts";

/** A filesystem of its own in a file, small enough to be filled. */
export interface TinyDisk extends AsyncDisposable {
  /** Its root, which every user can reach. */
  readonly path: string;
  file(name: string): string;
  /** Takes all that is left, in a file of its own. */
  fill(): void;
  /** Gives back what `fill` took. */
  free(): Promise<void>;
}

/** Whether one can be made here: Linux, root, mkfs.ext4, loop devices. Says why not on stderr. */
export const canMakeDisk: boolean = (() => {
  try {
    if (process.getuid?.() !== 0) throw new Error("not root");
    for (const tool of ["mkfs.ext4", "mount", "umount"]) execFileSync("which", [tool], { stdio: "pipe" });
    execFileSync("losetup", ["--find"], { stdio: "pipe" });
    return true;
  } catch (error) {
    process.stderr.write(
      `tests on a full disk are skipped: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    return false;
  }
})();

/** Makes and mounts an ext4 of this size; unmounted and removed at the end. */
export async function createTinyDisk(megabytes: number): Promise<TinyDisk> {
  await using starting = new AsyncDisposableStack();
  const dir = starting.use(await tempDir("reseolio-disk-"));
  await chmod(dir.path, 0o711);
  const image = dir.file("disk.img");
  closeSync(openSync(image, "w"));
  truncateSync(image, megabytes * 1024 * 1024);
  // No blocks kept back for root: full is full.
  execFileSync("mkfs.ext4", ["-q", "-F", "-m", "0", image], { stdio: "pipe" });
  const root = dir.file("mount");
  execFileSync("mkdir", [root]);
  execFileSync("mount", ["-o", "loop", image, root]);
  starting.defer(() => unmount(root));
  const owned = starting.move();
  const ballast = `${root}/ballast`;
  return {
    path: root,
    file: (name) => `${root}/${name}`,
    fill: () => fillDisk(root, ballast),
    free: () => rm(ballast, { force: true }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function unmount(root: string): void {
  execFileSync("umount", ["--lazy", root]);
}

function fillDisk(root: string, ballast: string): void {
  const file = openSync(ballast, "a");
  try {
    for (let size = 1024 * 1024; size >= 512; size /= 2) writeUntilFull(file, Buffer.alloc(size, 1));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  if (statfsSync(root).bavail > 2) throw new Error(`${statfsSync(root).bavail} blocks are still free on ${root}`);
}

function writeUntilFull(file: number, block: Buffer): void {
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}
