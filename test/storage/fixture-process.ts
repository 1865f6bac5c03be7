import { resolve } from "node:path";

/** A program of `fixtures/` in a process of its own, that says words on lines. `await using` kills it. */
export interface FixtureProcess extends AsyncDisposable {
  readonly pid: number;
  /** Waits for the next line; null when there are no more. */
  line(): Promise<string | null>;
  /** Ends its stdin and waits for its end. */
  finish(): Promise<void>;
  kill(): Promise<void>;
}

export function startFixture(name: string, ...args: readonly string[]): FixtureProcess {
  const program = resolve(import.meta.dir, "fixtures", `${name}.ts`);
  const child = Bun.spawn([process.execPath, program, ...args], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const lines = readLines(child.stdout);
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
  };
  return {
    pid: child.pid,
    line: async () => (await lines.next()).value ?? null,
    async finish() {
      await child.stdin.end();
      await child.exited;
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

async function* readLines(output: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of output) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  return undefined;
}
