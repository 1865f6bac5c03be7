/** Traces of a job as text, an execution after the other. */
import type { JobTrace, TraceEntry } from "./trace.ts";

const MAX_LINES = 60;

export function printTrace({ executions }: JobTrace): string {
  const lines = executions.flatMap(({ failures, entries }, index) => [
    `execution ${index}, after ${failures} failed attempts`,
    ...entries.map((entry) => `  ${String(entry.at).padStart(4)} ${describe(entry)}`),
  ]);
  const left = lines.length - MAX_LINES;
  return (left > 0 ? [...lines.slice(0, MAX_LINES), `… and ${left} more lines`] : lines).join("\n");
}

function describe(entry: TraceEntry): string {
  switch (entry.kind) {
    case "runs":
      return `${entry.point} runs for the ${entry.run}. time`;
    case "ran":
      return `${entry.point} has run`;
    case "given":
      return `${entry.point} = ${entry.value}`;
    case "died":
      return `dies after ${JSON.stringify(entry.where)}`;
    case "end":
      return entry.result === null
        ? `throws ${entry.error}${entry.endedBy.length === 0 ? "" : `, given at ${entry.endedBy.join()}`}`
        : `returns ${entry.result}`;
  }
}
