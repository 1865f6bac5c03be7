import { createConsola, type LogObject } from "consola/core";
import type { CliError } from "../exit.ts";
import { toJson } from "../text/json-text.ts";
import { plainBlock } from "../text/plain-text.ts";
import { isContinuousIntegration, painter, wantsColor } from "./color.ts";

/** Destination of messages: stderr, or a recorder in tests. */
export interface MessageSink {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Messages and progress for people. All go to stderr, so that stdout contains only data. */
export interface Messages {
  info(text: string): void;
  success(text: string): void;
  warn(text: string): void;
  error(error: CliError): void;
  /** Writes text unchanged, such as the stderr of a command. */
  write(text: string): void;
  /** Starts a progress line. It appears only on a terminal, after half a second, and is overwritten in place. */
  progress(label: string, total?: number): Progress;
}

export interface Progress {
  update(done: number): void;
  end(): void;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @param json writes errors as one JSON document, and no other messages */
export function openMessages(sink: MessageSink, env: Environment, json: boolean): Messages {
  return new StderrMessages(sink, env, json);
}

class StderrMessages implements Messages {
  readonly #paint;
  readonly #consola;
  readonly #showsProgress: boolean;
  readonly #sink: MessageSink;
  readonly #json: boolean;

  constructor(sink: MessageSink, env: Environment, json: boolean) {
    this.#sink = sink;
    this.#json = json;
    this.#paint = painter(wantsColor(sink.isTTY === true, env));
    this.#showsProgress = sink.isTTY === true && env["TERM"] !== "dumb" && !isContinuousIntegration(env) && !json;
    // By default consola writes info messages to stdout; this reporter writes everything to stderr.
    this.#consola = createConsola({ level: 3, throttle: 0, reporters: [{ log: (entry) => this.#report(entry) }] });
  }

  info(text: string): void {
    if (!this.#json) this.#consola.info(text);
  }

  success(text: string): void {
    if (!this.#json) this.#consola.success(text);
  }

  warn(text: string): void {
    if (!this.#json) this.#consola.warn(text);
  }

  error(error: CliError): void {
    if (!this.#json) {
      this.#consola.error(error.hint === undefined ? error.message : `${error.message}\n${error.hint}`);
      return;
    }
    const document = { code: error.code, message: error.message, hint: error.hint ?? null };
    this.write(`${toJson({ error: document })}\n`);
  }

  write(text: string): void {
    this.#sink.write(text);
  }

  progress(label: string, total?: number): Progress {
    return this.#showsProgress ? new ProgressLine(label, total, (text) => this.write(text)) : SILENT;
  }

  #report(entry: LogObject): void {
    const [first = "", ...more] = plainBlock(entry.args.map(String).join(" ")).split("\n");
    this.write([this.#prefix(entry.type) + first, ...more, ""].join("\n"));
  }

  #prefix(type: string): string {
    switch (type) {
      case "error":
        return this.#paint("red", "error: ");
      case "warn":
        return this.#paint("yellow", "warning: ");
      case "success":
        return this.#paint("green", "✓ ");
      default:
        return "";
    }
  }
}

const SILENT: Progress = { update: () => {}, end: () => {} };
const SHOW_AFTER_MS = 500;
const REDRAW_MS = 100;

class ProgressLine implements Progress {
  readonly #startedAt = performance.now();
  #drawnAt = 0;
  readonly #label: string;
  readonly #total: number | undefined;
  readonly #write: (text: string) => void;

  constructor(label: string, total: number | undefined, write: (text: string) => void) {
    this.#label = label;
    this.#total = total;
    this.#write = write;
  }

  update(done: number): void {
    const now = performance.now();
    if (now - this.#startedAt < SHOW_AFTER_MS || now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    const rate = Math.round(done / ((now - this.#startedAt) / 1_000));
    const of = this.#total === undefined ? "" : ` of ${this.#total}`;
    this.#write(`\r\u001b[K${this.#label} ${done}${of}, ${rate}/s`);
  }

  end(): void {
    if (this.#drawnAt > 0) this.#write("\r\u001b[K");
  }
}
