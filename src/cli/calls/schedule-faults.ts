import { CliError } from "../exit.ts";
import { suggest } from "../text/suggest.ts";
import { cliErrorFrom } from "./rpc-errors.ts";

/** Flags whose name cannot be derived from the field (dashes for underscores, without the unit). */
const FLAGS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    time_zone: "tz",
    function_name: "function",
    "options.jitter": "retry-jitter",
  }),
);

/** Rewrites the daemon's complaints about a schedule so that they name flags instead of protocol fields. */
export async function withFlagNames<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    const fault = cliErrorFrom(error);
    if (fault.code !== "usage") throw fault;
    const hint = zoneHint(fault.message) ?? fault.hint;
    throw new CliError("usage", withFlags(fault.message), { ...(hint === undefined ? {} : { hint }), cause: error });
  }
}

/** @param message from the daemon, such as `spec.time_zone: "Mars" is no IANA time zone; …` */
export function withFlags(message: string): string {
  return message.replaceAll(/(^|; )spec\.([a-z_.]+): /g, (_match, before: string, field: string) => {
    const plain = field.replace(/^options\./, "").replace(/_ms$/, "");
    return `${before}--${FLAGS.get(field) ?? plain.replaceAll("_", "-")}: `;
  });
}

/** Suggests the time zone that was probably meant: people omit the continent, or write a space. */
function zoneHint(message: string): string | undefined {
  const given = /spec\.time_zone: "([^"]*)"/.exec(message)?.[1]?.replaceAll(" ", "_").toLowerCase();
  if (given === undefined) return undefined;
  const zones = new Map<string, string>();
  for (const zone of Intl.supportedValuesOf("timeZone")) {
    zones.set(zone.toLowerCase(), zone).set(zone.slice(zone.lastIndexOf("/") + 1).toLowerCase(), zone);
  }
  const near = suggest(given, [...zones.keys()]);
  return near === undefined ? undefined : `did you mean ${zones.get(near)}?`;
}
