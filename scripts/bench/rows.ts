/** The table of results: the label and the target of each row. */
import type { Recorder } from "./recorder.ts";

/** A row before it is measured. */
export interface RowSpec {
  readonly key: string;
  readonly group: string;
  readonly label: string;
  readonly unit: Unit;
  readonly target?: Target;
}

/** The unit of a figure; `x` is a ratio. */
export type Unit = "ms" | "/s" | "MB" | "µs" | "%" | "bytes" | "x";

/** The target for the median of a row. */
export type Target =
  | { readonly kind: "at_most" | "at_least"; readonly value: number; readonly why?: string }
  /** A limit that comes from other rows of the same run; null when they were not measured. */
  | {
      readonly kind: "at_most" | "at_least";
      readonly from: (recorder: Recorder) => number | null;
      readonly why: string;
    };

/** A row with its figures; `isMet` is null without a target or without what the target is made from. */
export interface Row {
  readonly key: string;
  readonly group: string;
  readonly label: string;
  readonly unit: Unit;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
  readonly target: string;
  readonly isMet: boolean | null;
}

/** Rows that were measured, judged, in the order of the specs. */
export function judgeRows(recorder: Recorder, specs: readonly RowSpec[]): readonly Row[] {
  return specs.flatMap((spec) => {
    const values = recorder.values(spec.key);
    const median = recorder.median(spec.key);
    if (median === null) return [];
    const { key, group, label, unit } = spec;
    const range = { min: Math.min(...values), max: Math.max(...values), rounds: values.length };
    return [{ key, group, label, unit, median, ...range, ...judge(spec.target, median, recorder) }];
  });
}

function judge(target: Target | undefined, value: number, recorder: Recorder): Pick<Row, "target" | "isMet"> {
  if (target === undefined) return { target: "", isMet: null };
  const limit = "value" in target ? target.value : target.from(recorder);
  if (limit === null) return { target: "", isMet: null };
  const sign = target.kind === "at_most" ? "<=" : ">=";
  const why = target.why === undefined ? "" : ` (${target.why})`;
  return {
    target: `${sign} ${formatNumber(limit)}${why}`,
    isMet: target.kind === "at_most" ? value <= limit : value >= limit,
  };
}

/** Three digits that matter, thousands separated. */
export function formatNumber(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toLocaleString("en-US", { maximumSignificantDigits: 3 });
}
