import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TempDir extends AsyncDisposable {
  readonly path: string;
  /** Path of something inside it. */
  file(...parts: readonly string[]): string;
}

/** A new, empty directory of mode 0700, removed with all that is in it: `await using dir = await tempDir()`. */
export async function tempDir(prefix = "reseolio-test-"): Promise<TempDir> {
  const path = await mkdtemp(join(tmpdir(), prefix));
  return {
    path,
    file: (...parts) => join(path, ...parts),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 3 }),
  };
}
