import { createHash } from "node:crypto";
import { WIRE_LIMITS } from "#proto/contract.ts";
import { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { ReseolioError } from "../errors.ts";
import { show } from "../options/option-faults.ts";

/** Names of the kinds in messages. */
export const KIND_NAMES: Readonly<Record<CheckpointKind, string>> = {
  [CheckpointKind.UNSPECIFIED]: "something unknown",
  [CheckpointKind.STEP]: "a step",
  [CheckpointKind.SLEEP]: "a sleep",
  [CheckpointKind.EVENT]: "an awaited event",
  [CheckpointKind.VALUE]: "a value",
  [CheckpointKind.CHOICE]: "a choice between awaited sources",
  [CheckpointKind.JOB]: "an awaited job",
  [CheckpointKind.SIGNAL]: "an awaited signal",
  [CheckpointKind.TRY]: "an attempt of a step",
  [CheckpointKind.NOTE]: "a note",
};

/** @throws ReseolioError `invalid_argument` that shows the name */
export function checkName(what: string, name: unknown): asserts name is string {
  if (typeof name === "string" && name !== "" && isSurelyShort(name)) return;
  const length = typeof name === "string" ? Buffer.byteLength(name) : 0;
  if (length >= 1 && length <= WIRE_LIMITS.checkpointNameBytes) return;
  const given = typeof name === "string" ? `is ${length} bytes long` : `is ${show(name)}`;
  const limit = WIRE_LIMITS.checkpointNameBytes;
  throw new ReseolioError("invalid_argument", `${what} ${given}; use a string of 1 to ${limit} bytes`);
}

/**
 * Shortens a derived name to the maximum length, always in the same way. Replaces lone surrogates, which the daemon
 * would return as another character.
 */
export function boundedName(given: string): string {
  const name = wholeCharacters(given);
  if (isSurelyShort(name)) return name;
  if (Buffer.byteLength(name) <= WIRE_LIMITS.checkpointNameBytes) return name;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 32);
  return `${wholeCharacters(name.slice(0, 50))}…${digest}`;
}

/** Short enough whatever its characters are: one UTF-16 unit takes at most three bytes in UTF-8. */
function isSurelyShort(name: string): boolean {
  return name.length * 3 <= WIRE_LIMITS.checkpointNameBytes;
}

function wholeCharacters(text: string): string {
  return /[\ud800-\udfff]/.test(text) ? Buffer.from(text).toString() : text;
}

/** Whether the label is this name, with or without a number. */
export function isLabelOf(label: string, name: string): boolean {
  const bounded = boundedName(name);
  return label === bounded || (label.startsWith(bounded) && /^#\d+$/.test(label.slice(bounded.length)));
}

/** The name of a label without its number, provided that the name does not end with one itself. */
export function nameOfLabel(label: string): string {
  return label.includes("#") ? label.replace(/#\d+$/, "") : label;
}

export function jobLabel(jobId: string): string {
  return `job:${jobId}`;
}

export function triesLabel(label: string): string {
  return boundedName(`${label}/tries`);
}
