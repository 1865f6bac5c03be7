/**
 * What must hold within one job: whatever a handler was given once, every later execution of the same attempt is given
 * again. After a failed attempt that still holds for everything before the failure that ended it.
 */
import { stepsByPoint } from "./program-points.ts";
import type { Program } from "./program.ts";
import type { ExecutionTrace, HandlerEnd, JobTrace, TraceEntry } from "./trace.ts";

/** What became of the job. */
export interface JobEnd {
  readonly status: string;
  readonly result: string | null;
  readonly error: string;
}

export interface JobFacts {
  readonly program: Program;
  readonly trace: JobTrace;
  readonly end: JobEnd;
  /** A process may die anywhere, also between the end of a step and its record. */
  readonly wasKilled: boolean;
}

/** One line for each difference. */
export function findDifferences(facts: JobFacts): readonly string[] {
  const { executions } = facts.trace;
  const seen = executions.map((one, index) => givenIn(one, executions[index + 1]?.startedAt));
  return [
    ...compareGiven(executions, seen),
    ...checkOwnValues(seen),
    ...checkSignals(seen),
    ...checkRuns(facts, seen),
    ...checkStepAttempts(facts),
    ...checkEnd(facts),
  ];
}

interface Given {
  readonly point: string;
  readonly value: string;
  readonly at: number;
}

/** Until it died, or was given up: then the next execution began. */
function givenIn({ entries }: ExecutionTrace, nextStartedAt = Number.POSITIVE_INFINITY): readonly Given[] {
  const diedAt = entries.find((entry) => entry.kind === "died")?.at ?? Number.POSITIVE_INFINITY;
  return entries.filter((entry) => entry.kind === "given").filter(({ at }) => at < Math.min(nextStartedAt, diedAt));
}

function compareGiven(executions: readonly ExecutionTrace[], seen: readonly (readonly Given[])[]): readonly string[] {
  const faults: string[] = [];
  let known = new Map<string, { readonly value: string; readonly execution: number }>();
  for (const [index, given] of seen.entries()) {
    const before = executions[index - 1];
    if (before !== undefined && before.failures !== executions[index]?.failures) {
      const kept = keptAfter(before, seen[index - 1] ?? []);
      known = new Map([...known].filter(([point]) => kept.has(point)));
    }
    for (const { point, value } of given) {
      const first = known.get(point);
      if (first === undefined) known.set(point, { value, execution: index });
      else if (first.value !== value) {
        faults.push(`${point}: execution ${first.execution} was given ${first.value}, execution ${index} ${value}`);
      }
    }
  }
  return faults;
}

/** Points before the failure that ended the attempt. An execution that died last did not end it: nothing is known then. */
function keptAfter(last: ExecutionTrace, given: readonly Given[]): ReadonlySet<string> {
  const end = last.entries.find((entry) => entry.kind === "end");
  if (end === undefined) return new Set();
  const ended = given.findIndex(({ point }) => end.endedBy.includes(point));
  return new Set(given.slice(0, ended === -1 ? undefined : ended).map(({ point }) => point));
}

/** What the body of a step returns names its place in the program; nothing else reads like that. */
function checkOwnValues(seen: readonly (readonly Given[])[]): readonly string[] {
  const isForeign = ({ point, value }: Given): boolean => {
    const from = /^([\w.]+)@\d+$/.exec(value)?.[1];
    return from !== undefined && from !== point && !point.includes(":");
  };
  return seen.flatMap((given, index) =>
    given
      .filter(isForeign)
      .map(({ point, value }) => `${point}: execution ${index} was given ${value}, which belongs elsewhere`),
  );
}

/** Each is consumed once. */
function checkSignals(seen: readonly (readonly Given[])[]): readonly string[] {
  return seen.flatMap((given, index) => {
    const consumed = given.filter(({ point, value }) => value.startsWith("signal:") && !point.includes(":"));
    const twice = consumed.filter(({ value }, place) => consumed.findIndex((one) => one.value === value) !== place);
    return twice.map(({ point, value }) => `${point}: execution ${index} was given ${value} a second time`);
  });
}

function checkRuns(
  { trace: { executions }, wasKilled }: JobFacts,
  seen: readonly (readonly Given[])[],
): readonly string[] {
  const faults: string[] = [];
  const done = new Map<string, { readonly execution: number; readonly way: string }>();
  for (const [index, { entries, failures }] of executions.entries()) {
    for (const [place, entry] of entries.entries()) {
      const before = entry.kind === "runs" ? done.get(entry.point) : undefined;
      if (entry.kind !== "runs" || before === undefined) continue;
      const isOtherWay =
        executions[before.execution]?.failures !== failures && before.way !== wayTo(entries.slice(0, place));
      if (isOtherWay) continue;
      faults.push(
        `${entry.point}: its body ran in execution ${index} although execution ${before.execution} had its value`,
      );
    }
    const note = (point: string): void => {
      const place = entries.findIndex((entry) => entry.kind === "runs" && entry.point === point);
      // One that found it recorded came the same way.
      if (place >= 0) done.set(point, { execution: index, way: wayTo(entries.slice(0, place)) });
    };
    for (const { point, value } of seen[index] ?? []) if (value.startsWith(`${point}@`)) note(point);
    if (!wasKilled && failedAlive(entries)) for (const entry of entries) if (entry.kind === "ran") note(entry.point);
  }
  return faults;
}

/** What was caught, and which branch won: behind a failure that is tried again a handler may come another way. */
function wayTo(entries: readonly TraceEntry[]): string {
  const turns = entries
    .filter((entry) => entry.kind === "given")
    .filter(({ point }) => /:(caught|all|race|any|settled)$/.test(point));
  return turns.map(({ point, value }) => `${point} ${value.startsWith("!") ? "!" : value.split(":", 1)[0]}`).join();
}

/** It ended by an error, so that whatever was under way can be recorded. */
function failedAlive(entries: readonly TraceEntry[]): boolean {
  return entries.some((entry) => entry.kind === "end" && entry.result === null) && !hasDied(entries);
}

function hasDied(entries: readonly TraceEntry[]): boolean {
  return entries.some((entry) => entry.kind === "died");
}

/** Each execution that ended without an end can have cut off one run. */
function checkStepAttempts({ program, trace: { executions } }: JobFacts): readonly string[] {
  const steps = stepsByPoint(program);
  const attempts = Map.groupBy(executions, ({ failures }) => failures);
  return [...attempts.values()].flatMap((ofAttempt) => {
    const runs = Map.groupBy(ofAttempt.flatMap(runsIn), ({ point }) => point);
    return [...runs].flatMap(([point, { length }]) => {
      const allowed = (steps(point)?.tries ?? 1) + ofAttempt.length - 1;
      return length <= allowed
        ? []
        : [`${point}: its body ran ${length} times in one attempt of ${ofAttempt.length} executions`];
    });
  });
}

function runsIn({ entries }: ExecutionTrace): readonly Extract<TraceEntry, { kind: "runs" }>[] {
  return entries.filter((entry) => entry.kind === "runs");
}

function checkEnd({ program, trace: { executions }, end }: JobFacts): readonly string[] {
  const last = executions.at(-1)?.entries.find((entry): entry is HandlerEnd => entry.kind === "end");
  if (last === undefined) return [`the job is ${end.status}, and its last execution came to no end: ${end.error}`];
  const failures = (executions.at(-1)?.failures ?? 0) + 1;
  if (last.result !== null) {
    if (end.status === "success" && end.result === last.result) return [];
    return [`the last execution returned ${last.result}, and the job is ${end.status} with ${end.result ?? end.error}`];
  }
  if (end.status !== "dead") return [`the last execution failed with ${last.error}, and the job is ${end.status}`];
  if (failures < program.maxAttempts && !last.error.startsWith("!TerminalError") && !isTerminalStep(program, last)) {
    return [`the job is dead after ${failures} of ${program.maxAttempts} attempts: ${last.error}`];
  }
  return failures > program.maxAttempts ? [`${failures} attempts failed, ${program.maxAttempts} were allowed`] : [];
}

/** A StepFailedError that comes of a TerminalError ends the job as that does. */
function isTerminalStep(program: Program, { endedBy }: HandlerEnd): boolean {
  const steps = stepsByPoint(program);
  return endedBy.some((point) => steps(point)?.terminal === true);
}
