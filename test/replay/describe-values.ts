/** Values and errors as the oracle compares them. */

export function describeValue(value: unknown): string {
  if (value === undefined || value === null) return "-";
  if (value instanceof Date) return value.toISOString();
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Name and message, of an AggregateError those of its errors too. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return `!${describeValue(error)}`;
  const parts = error instanceof AggregateError ? (error.errors as readonly unknown[]).map(describeError) : [];
  return `!${error.name}: ${error.message}${parts.length === 0 ? "" : `[${parts.join()}]`}`;
}
