import { DaemonError } from "../../core/errors.ts";
import { type CopyMarker, type CopySource, type CopyTarget, markerMoved } from "./copy-side.ts";
import { COPY_TABLES, type CopyKey, type CopyTable, keyOf } from "./copy-tables.ts";
import { RowDigest } from "./row-digest.ts";

export interface CopyReport {
  readonly from: string;
  readonly to: string;
  /** Whether an earlier run had begun it. */
  readonly resumed: boolean;
  /** The tables, verified to be identical in both databases. */
  readonly tables: readonly CopiedTable[];
}

export interface CopiedTable {
  readonly table: string;
  readonly rows: number;
  /** Checksum of the rows, independent of their order and of the kind of store. */
  readonly digest: string;
}

export interface CopyProgress {
  readonly phase: "copying" | "verifying";
  /** Rows of all tables. */
  readonly done: number;
  readonly total: number;
}

export interface CopyOptions {
  /** Discards what an unfinished copy left in the target. */
  readonly startOver?: boolean;
  readonly onProgress?: (progress: CopyProgress) => void;
}

/**
 * Copies everything from one database to an empty one, then reads both completely and compares them. A crash at any
 * point leaves a target that no daemon opens and that the same call completes. Throws `failed_precondition` when the
 * target is not empty, or when the two differ because the source was changed between two runs.
 */
export async function copyTables(source: CopySource, target: CopyTarget, options: CopyOptions): Promise<CopyReport> {
  const { startOver = false, onProgress = () => {} } = options;
  if (startOver) await target.erase();
  const total = await countAll(source);
  const compare = () => verify(source, target, (rows) => onProgress({ phase: "verifying", done: rows, total }));
  const unfinished = await target.readMarker();
  const report = { from: source.name, to: target.name, resumed: true };
  // An earlier run was killed after its last write, before it could report success.
  if (unfinished === null && (await hasAsMany(source, target))) return { ...report, tables: await compare() };
  const begun = unfinished ?? (await begin(source, target));
  if (begun.source !== source.name) throw otherSource(source, target, begun);
  const done = unfinished === null ? 0 : await countAll(target);
  const marker = await copyFrom(begun, source, target, (rows) =>
    onProgress({ phase: "copying", done: done + rows, total }),
  );
  const tables = await compare();
  // Without a marker it was finished by a run that was killed and whose last statement the server still had.
  if (!(await target.finish(marker)) && (await target.readMarker()) !== null) throw markerMoved(target.name);
  return { ...report, resumed: unfinished !== null, tables };
}

/** Both have rows, and the same number in each table. */
async function hasAsMany(source: CopySource, target: CopySource): Promise<boolean> {
  let rows = 0;
  for (const table of COPY_TABLES) {
    const [there, here] = [await source.countRows(table), await target.countRows(table)];
    if (there !== here) return false;
    rows += here;
  }
  return rows > 0;
}

async function countAll(side: CopySource): Promise<number> {
  let sum = 0;
  for (const table of COPY_TABLES) sum += await side.countRows(table);
  return sum;
}

async function begin(source: CopySource, target: CopyTarget): Promise<CopyMarker> {
  for (const table of COPY_TABLES) {
    const rows = await target.countRows(table);
    // Another copy may have begun since it was asked for a marker.
    if (rows > 0) throw (await target.readMarker()) === null ? notEmpty(target, table, rows) : markerMoved(target.name);
  }
  const marker: CopyMarker = { source: source.name, table: COPY_TABLES[0]!.name, after: null };
  if (!(await target.begin(marker))) throw markerMoved(target.name);
  return marker;
}

/** A server may finish the statements of a run that was killed; more often than this it does not. */
const ROUNDS = 3;

/** Continues from the marker to the end; returns the last marker. */
async function copyFrom(
  begun: CopyMarker,
  source: CopySource,
  target: CopyTarget,
  onRows: (rows: number) => void,
): Promise<CopyMarker> {
  let copied = 0;
  let marker = begun;
  for (let round = 0; round < ROUNDS; round++) {
    const reached = await copyUntilMoved(marker, source, target, (rows) => onRows((copied += rows)));
    if (reached.isDone) return reached.marker;
    const moved = await target.readMarker();
    if (moved === null) break;
    marker = moved;
  }
  throw markerMoved(target.name);
}

/** Continues until everything is copied, or until another run has moved the marker. */
async function copyUntilMoved(
  begun: CopyMarker,
  source: CopySource,
  target: CopyTarget,
  onRows: (rows: number) => void,
): Promise<{ readonly isDone: boolean; readonly marker: CopyMarker }> {
  let marker = begun;
  const first = COPY_TABLES.findIndex((table) => table.name === begun.table);
  for (const table of COPY_TABLES.slice(first)) {
    let after: CopyKey | null = table.name === begun.table ? begun.after : null;
    for (;;) {
      const rows = await source.readRows(table, after);
      if (rows.length === 0) break;
      after = keyOf(table, rows.at(-1)!);
      const next = { ...marker, table: table.name, after };
      if (!(await target.write(table, rows, { from: marker, to: next }))) return { isDone: false, marker };
      marker = next;
      onRows(rows.length);
    }
  }
  return { isDone: true, marker };
}

async function verify(
  source: CopySource,
  target: CopyTarget,
  onRows: (rows: number) => void,
): Promise<readonly CopiedTable[]> {
  const tables: CopiedTable[] = [];
  let seen = 0;
  for (const table of COPY_TABLES) {
    const count = (rows: number) => onRows((seen += rows));
    const [there, here] = await Promise.all([digest(source, table, count), digest(target, table, () => {})]);
    if (there.rows !== here.rows || there.text() !== here.text()) throw unequal(source, target, table, there, here);
    tables.push({ table: table.name, rows: here.rows, digest: here.text() });
  }
  return tables;
}

async function digest(side: CopySource, table: CopyTable, onRows: (rows: number) => void): Promise<RowDigest> {
  const sum = new RowDigest();
  for (let after: CopyKey | null = null; ;) {
    const rows = await side.readRows(table, after);
    if (rows.length === 0) return sum;
    for (const row of rows) sum.add(row);
    after = keyOf(table, rows.at(-1)!);
    onRows(rows.length);
  }
}

function notEmpty(target: CopyTarget, table: CopyTable, rows: number): DaemonError {
  return new DaemonError(
    "failed_precondition",
    `${target.name} is not empty: table ${table.name} has ${rows} rows; copy to a new file, or to another schema with ?schema=NAME`,
  );
}

function otherSource(source: CopySource, target: CopyTarget, begun: CopyMarker): DaemonError {
  return new DaemonError(
    "failed_precondition",
    `${target.name} is an unfinished copy of ${begun.source}, not of ${source.name}: copy from that database, or discard the copy with --start-over`,
  );
}

function unequal(
  source: CopySource,
  target: CopyTarget,
  table: CopyTable,
  there: RowDigest,
  here: RowDigest,
): DaemonError {
  const what =
    there.rows === here.rows
      ? `some of ${there.rows} rows differ`
      : `${there.rows} rows in ${source.name} and ${here.rows} in ${target.name}`;
  return new DaemonError(
    "failed_precondition",
    `the copy differs from the source in table ${table.name}: ${what}; the source has changed since the copy began: ` +
      "stop every program that uses it and run reseolio db copy --start-over",
    { metadata: { table: table.name, source: there.text(), target: here.text() } },
  );
}
