/**
 * Sets up users and sends them e-mails for three days. A day lasts a second here, unless DAY_MS says otherwise.
 *
 *     bun main.ts ada bob
 */
import { Reseolio } from "reseolio";
import { defineOnboarding } from "./onboarding.ts";

const reseolio = new Reseolio();
const onboard = defineOnboarding(
  reseolio,
  {
    createWorkspace: async (userId) => `workspace-of-${userId}`,
    createBucket: async (workspaceId) => `bucket-of-${workspaceId}`,
    sendMail: async (userId, template) => console.log(`to ${userId}: ${template}`),
  },
  Number(process.env["DAY_MS"] ?? 1_000),
);
const userIds = process.argv.slice(2);
let seriesLeft = userIds.length;

reseolio.on("job:success", (job) => {
  if (job.functionName === "onboarding:mails" && --seriesLeft === 0) void reseolio.stop();
});
process.once("SIGTERM", () => void reseolio.stop());

await reseolio.start();
for (const userId of userIds) {
  const job = await onboard(userId);
  console.log(`${userId}: ${JSON.stringify(await job.result())}`);
}
