import { CliError, EXIT } from "../exit.ts";

/**
 * Runs `work` with a signal that fires on the first Ctrl-C; the second ends the process at once. When it fired, ends
 * with the error that `describe` gives, exit code 130.
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
