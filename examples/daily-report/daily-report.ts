import { context, type DurableFunction, type Reseolio } from "reseolio";

/** Where reports go: a bucket in real life. Writing a name again replaces the report. */
export interface Archive {
  write(name: string, text: string): Promise<void>;
}

/** Reports what happened in a region up to the tick: the same report, however late or often it runs. */
export function defineReport(reseolio: Reseolio, archive: Archive): DurableFunction<[region: string], string> {
  return reseolio.durable(
    reseolio.namespace("reports", "daily", "build"),
    async (region: string) => {
      // Undefined in a job that was triggered manually.
      const upTo = context().scheduledAt ?? new Date();
      const name = `${region} ${upTo.toISOString()}`;
      await archive.write(name, `all quiet in ${region} up to ${upTo.toISOString()}\n`);
      return name;
    },
    { maxAttempts: 5 },
  );
}
