import { invalidArgument } from "../../core/errors.ts";

/** Proto enums are open: a number from a newer client, or a mistake. Never taken for the default in silence. */
export function unknownEnumValue(field: string, value: number, names: Record<string, string | number>): Error {
  const known = Object.entries(names).filter(([, number]) => typeof number === "number" && number !== 0);
  const list = known.map(([name, number]) => `${number} (${name})`).join(", ");
  return invalidArgument([{ field, description: `is ${value}, which this daemon does not know; give one of ${list}` }]);
}
