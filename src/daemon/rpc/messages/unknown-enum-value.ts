import { invalidArgument } from "../../core/errors.ts";

/** Protobuf enums are open: an unknown number comes from a newer client or is a mistake. It must not become the default. */
export function unknownEnumValue(field: string, value: number, names: Record<string, string | number>): Error {
  const known = Object.entries(names).filter(([, number]) => typeof number === "number" && number !== 0);
  const list = known.map(([name, number]) => `${number} (${name})`).join(", ");
  return invalidArgument([
    { field, description: `is ${value}, which this daemon does not know; valid values: ${list}` },
  ]);
}
