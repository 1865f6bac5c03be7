/** Prints what happens as it happens: when, who, what. Colours on a terminal only. */

/** The subject of a line. */
export type Actor = "receiver" | "app" | "daemon" | "kill -9" | "store";

/** How lines are drawn. */
export interface TimelineStyle {
  readonly color: boolean;
}

const COLORS: Readonly<Record<Actor, string>> = {
  receiver: "36",
  app: "34",
  daemon: "35",
  "kill -9": "1;37;41",
  store: "33",
};

const TIME_WIDTH = 8;
const ACTOR_WIDTH = 8;

/** `NO_COLOR` and `TERM=dumb` say no, `FORCE_COLOR` says yes, else a terminal decides. */
export function styleFor(env: NodeJS.ProcessEnv, isTerminal: boolean): TimelineStyle {
  if ((env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb") return { color: false };
  return { color: (env["FORCE_COLOR"] ?? "") !== "" || isTerminal };
}

/** Lines with the time since it was made. */
export class Timeline {
  readonly #startedAt = performance.now();

  constructor(
    private readonly write: (text: string) => void,
    private readonly style: TimelineStyle,
  ) {}

  /** One line of the timeline, at this moment. */
  tell(actor: Actor, what: string): void {
    this.write(`${timelineLine((performance.now() - this.#startedAt) / 1000, actor, what, this.style)}\n`);
  }

  /** Something that was wanted. */
  tellSuccess(actor: Actor, what: string): void {
    this.tell(actor, this.#paint("32", what));
  }

  /** A line of its own, outside of the columns. */
  say(text: string): void {
    this.write(`${text}\n`);
  }

  verdict(isOk: boolean, text: string): void {
    const mark = isOk ? this.#paint("32", "ok    ") : this.#paint("1;31", "FAILED");
    this.write(`  ${mark}  ${text}\n`);
  }

  heading(text: string): void {
    this.write(`\n${this.#paint("1", text)}\n\n`);
  }

  #paint(code: string, text: string): string {
    return paint(code, text, this.style);
  }
}

/** `   1.25 s  app       stored order-1001`: columns stay aligned with and without colours. */
export function timelineLine(seconds: number, actor: Actor, what: string, style: TimelineStyle): string {
  const time = `${seconds.toFixed(2)} s`.padStart(TIME_WIDTH);
  const name = paint(COLORS[actor], actor, style) + " ".repeat(ACTOR_WIDTH - actor.length);
  return `  ${paint("2", time, style)}  ${name}  ${what}`;
}

function paint(code: string, text: string, style: TimelineStyle): string {
  return style.color ? `\u001b[${code}m${text}\u001b[0m` : text;
}
