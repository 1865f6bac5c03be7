import { WIRE_LIMITS } from "#proto/contract.ts";
import type { JobOptions as JobOptionsMessage } from "#proto/gen/reseolio/v1/job_pb.ts";
import { ReseolioError } from "../errors.ts";
import { encodeJobOptions, type JobOptions } from "../options/job-options.ts";

/** Any handler; the types of its arguments are kept by the durable function made from it. */
export type Handler = (...args: never[]) => unknown;

export interface FunctionDefinition {
  readonly name: string;
  readonly handler: Handler;
  readonly options: JobOptions;
  /** The options as encoded for the wire; undefined when none is set. */
  readonly encodedOptions: JobOptionsMessage | undefined;
  /** File and line of the registration, for messages. */
  readonly location: string;
}

/** The functions registered on one client, by name. */
export class Registry {
  #definitions = new Map<string, FunctionDefinition>();

  get names(): readonly string[] {
    return [...this.#definitions.keys()];
  }

  find(name: string): FunctionDefinition | undefined {
    return this.#definitions.get(name);
  }

  /** The function's own options; none for a function that other programs run. */
  optionsOf(name: string): JobOptions {
    return this.#definitions.get(name)?.options ?? NO_OPTIONS;
  }

  /**
   * @param location source location of the registration
   * @throws ReseolioError `invalid_argument` for a bad name, handler or option, `already_exists` for a second handler
   * of the same name
   */
  add(name: string, handler: Handler, options: JobOptions, location: string): FunctionDefinition {
    checkFunctionName(name);
    if (typeof handler !== "function") {
      throw new ReseolioError("invalid_argument", `${name}: the handler is a ${typeof handler}; pass a function`);
    }
    const encodedOptions = encodeJobOptions(name, options);
    const definition = { name, handler, options: Object.freeze({ ...options }), encodedOptions, location };
    const earlier = this.#definitions.get(name);
    if (earlier !== undefined) throw duplicate(earlier, definition);
    this.#definitions.set(name, definition);
    return definition;
  }
}

const NO_OPTIONS: JobOptions = {};

function duplicate(earlier: FunctionDefinition, later: FunctionDefinition): ReseolioError {
  return new ReseolioError(
    "already_exists",
    `function ${JSON.stringify(later.name)} is already registered: first ${show(earlier)}, now ${show(later)}; give one of them another name`,
  );
}

function show({ handler, location }: FunctionDefinition): string {
  return `${handler.name === "" ? "an anonymous handler" : handler.name} (${location})`;
}

/** @throws ReseolioError `invalid_argument` that shows the name and a valid one */
export function checkFunctionName(name: unknown): asserts name is string {
  const fault = nameFault(name);
  if (fault !== null) {
    throw new ReseolioError("invalid_argument", `function name ${fault}; use a name such as "orders:payment:charge"`);
  }
}

function nameFault(name: unknown): string | null {
  if (typeof name !== "string") return `is a ${typeof name}`;
  if (name.trim() === "") return name === "" ? "is empty" : "is blank";
  if (hasControlCharacter(name)) return `${JSON.stringify(name)} has a control character`;
  if (!name.isWellFormed()) return `${JSON.stringify(name)} contains an unpaired surrogate`;
  const length = Buffer.byteLength(name);
  const limit = WIRE_LIMITS.functionNameBytes;
  return length <= limit
    ? null
    : `${JSON.stringify(name.slice(0, 40))}… is ${length} bytes long, but at most ${limit} are allowed`;
}

function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

/** Names without a namespace sooner or later collide with another module's. */
export function isNamespaced(name: string): boolean {
  return name.includes(":") || name.includes("/");
}

/**
 * Joins parts into a name: `("orders", "payment", "charge")` returns `orders:payment:charge`.
 *
 * @throws ReseolioError `invalid_argument` when there are no parts, or a part is empty or contains `:`
 */
export function namespace(...parts: string[]): string {
  if (parts.length === 0) throw new ReseolioError("invalid_argument", "namespace() needs at least one part");
  parts.forEach((part: unknown, index) => {
    const fault = partFault(part);
    if (fault === null) return;
    throw new ReseolioError(
      "invalid_argument",
      `namespace part ${index + 1} ${fault}; use a plain name such as "orders"`,
    );
  });
  const name = parts.join(":");
  checkFunctionName(name);
  return name;
}

function partFault(part: unknown): string | null {
  if (typeof part !== "string") return `is a ${part === null ? "null" : typeof part}`;
  if (part.trim() === "") return "is empty";
  if (part.trim() !== part) return `${JSON.stringify(part)} begins or ends with a space`;
  return part.includes(":") ? `${JSON.stringify(part)} holds the separator ":"` : null;
}
