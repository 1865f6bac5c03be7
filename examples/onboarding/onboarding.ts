import { context, type Reseolio } from "reseolio";

/** What a new user gets. A repeated call with the same arguments must change nothing. */
export interface Platform {
  createWorkspace(userId: string): Promise<string>;
  createBucket(workspaceId: string): Promise<string>;
  sendMail(userId: string, template: string, key: string): Promise<void>;
}

const TIPS = ["tips-of-the-first-day", "tips-of-the-third-day"] as const;

/** Sets up a user in steps, and leaves the e-mails of the following days to another function. */
export function defineOnboarding(reseolio: Reseolio, platform: Platform, dayMs = 24 * 3_600_000) {
  const sendSeries = reseolio.durable(reseolio.namespace("onboarding", "mails"), async (userId: string) => {
    const { jobId, step, sleepFor } = context();
    const send = (template: string) =>
      step(template, () => platform.sendMail(userId, template, `${jobId}:${template}`), { maxAttempts: 10 });
    await send("welcome");
    await sleepFor("one day", dayMs);
    await send(TIPS[0]);
    await sleepFor("two days more", 2 * dayMs);
    await send(TIPS[1]);
  });

  return reseolio.durable(reseolio.namespace("onboarding", "user"), async (userId: string) => {
    const { step } = context();
    const workspaceId = await step("workspace", () => platform.createWorkspace(userId), { maxAttempts: 5 });
    const bucket = await step("bucket", () => platform.createBucket(workspaceId), { maxAttempts: 5 });
    await sendSeries(userId); // runs for days; nobody waits for it
    return { workspaceId, bucket };
  });
}
