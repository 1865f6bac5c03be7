import { CliError, EXIT } from "../exit.ts";

/**
 * Runs `work` with a signal that aborts on the first Ctrl-C; the second one exits at once. After an abort, throws an error
 * with the message from `describe` and exit code 130.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>, describe: () => string): Promise<T> {
  const controller = new AbortController();
  const onInterrupt = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
  };
  process.on("SIGINT", onInterrupt);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) throw new CliError("interrupted", describe(), { cause: error });
    throw error;
  } finally {
    process.off("SIGINT", onInterrupt);
  }
}
