/** Databases to start from: one with a schema and nothing else, and full ones. */
import { closeSync, copyFileSync, fsyncSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { BenchContext } from "./bench-context.ts";
import { startDaemon } from "./daemon-process.ts";
import { fillDatabase, type Filling } from "./fill-database.ts";

/** Functions that the finished jobs belong to. */
export const FILLED_FUNCTIONS = 20;
/** The one with three jobs, all dead. */
export const RARE_FUNCTION = "filled:rare:function";
const RARE_COUNT = 3;

/** Name of one of them, from 0. */
export function filledFunction(number: number): string {
  return `filled:service-${number}:work`;
}

/** A million finished jobs of twenty functions, some cancelled, three of a rare function dead. */
export function finishedFillings(rows: number): readonly Filling[] {
  const each = Math.floor(rows / FILLED_FUNCTIONS);
  const cancelled = Math.floor(each / 50);
  const common = Array.from({ length: FILLED_FUNCTIONS }, (_, index): readonly Filling[] => [
    { functionName: filledFunction(index), state: "SUCCESS", count: each - cancelled },
    { functionName: filledFunction(index), state: "CANCELLED", count: cancelled },
  ]);
  return [...common.flat(), { functionName: RARE_FUNCTION, state: "DEAD", count: RARE_COUNT }];
}

/** A million jobs that nobody takes. */
export function backlogFillings(rows: number): readonly Filling[] {
  return [{ functionName: "filled:backlog:nobody", state: "PENDING", count: rows }];
}

/** Makes a database with the daemon's own schema, then fills it. Returns its path. */
export async function makeTemplate(context: BenchContext, name: string, fillings: readonly Filling[]): Promise<string> {
  const path = join(context.directory, `${name}.template.db`);
  const daemon = await startDaemon(context.executable, path);
  await daemon.stop();
  if (fillings.length > 0) context.progress(`filling ${name}`);
  fillDatabase(path, fillings);
  return path;
}

/** A copy to work on, already on disk, so that writing it back does not disturb what is measured. */
export function copyTemplate(template: string, name: string): string {
  const path = join(template, "..", `${name}.db`);
  copyFileSync(template, path);
  const descriptor = openSync(path, "r+");
  fsyncSync(descriptor);
  closeSync(descriptor);
  return path;
}

/** With its log and lock. Harmless when it is gone. */
export function removeDatabase(path: string): void {
  for (const suffix of ["", "-wal", "-shm", ".lock"]) rmSync(path + suffix, { force: true });
}
