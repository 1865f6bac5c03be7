/** The demo's claims, checked against the database file and the receiver's log. */
import type { Delivery } from "./receiver.ts";

/** The evidence from the database file and the receiver's log. */
export interface Evidence {
  readonly webhooks: readonly string[];
  /** Ids that the application was given when its calls were on disk, from all of its starts. */
  readonly acknowledged: readonly { readonly webhook: string; readonly jobId: string }[];
  readonly stored: readonly StoredJob[];
  readonly deliveries: readonly Delivery[];
  /** For each kill, how many requests the receiver had seen. */
  readonly kills: readonly number[];
}

/** A job as the database file has it. */
export interface StoredJob {
  readonly jobId: string;
  readonly webhook: string;
  readonly state: string;
  readonly attempt: number;
  readonly failures: number;
  readonly losses: number;
}

/** One promise of the demo, and what speaks against it. */
export interface Claim {
  readonly text: string;
  /** Empty when the claim holds. */
  readonly faults: readonly string[];
}

/** All claims, those that hold too. */
export function checkClaims(evidence: Evidence): readonly Claim[] {
  return [nothingLost(evidence), allDelivered(evidence), killedWhileRetrying(evidence), numbersGoOn(evidence)];
}

function nothingLost({ webhooks, acknowledged, stored }: Evidence): Claim {
  const ids = new Set(stored.map((job) => job.jobId));
  const lost = acknowledged.filter(({ jobId }) => !ids.has(jobId));
  const odd = webhooks.filter((webhook) => stored.filter((job) => job.webhook === webhook).length !== 1);
  const unacknowledged = webhooks.filter((webhook) => !acknowledged.some((one) => one.webhook === webhook));
  return {
    text: `nothing was lost or duplicated: ${webhooks.length} calls acknowledged, the same ${stored.length} jobs in the file`,
    faults: [
      ...lost.map(({ webhook, jobId }) => `${webhook}: job ${jobId} was acknowledged and is not in the file`),
      ...odd.map((webhook) => `${webhook}: ${stored.filter((job) => job.webhook === webhook).length} jobs, not 1`),
      ...unacknowledged.map((webhook) => `${webhook}: never acknowledged`),
    ],
  };
}

function allDelivered({ webhooks, stored, deliveries }: Evidence): Claim {
  const unfinished = stored.filter((job) => job.state !== "SUCCESS");
  const accepted = (webhook: string): number =>
    deliveries.filter((delivery) => delivery.webhook === webhook && delivery.status === 200).length;
  return {
    text: `every webhook was delivered: ${webhooks.length} jobs SUCCESS, each accepted by the receiver exactly once`,
    faults: [
      ...unfinished.map((job) => `${job.webhook}: the file says ${job.state}`),
      ...webhooks
        .filter((webhook) => accepted(webhook) !== 1)
        .map((webhook) => `${webhook}: accepted ${accepted(webhook)} times`),
    ],
  };
}

/** A kill that hits nothing shows nothing. */
function killedWhileRetrying({ webhooks, deliveries, kills }: Evidence): Claim {
  const faults = kills.flatMap((at, index) => {
    const before = deliveries.slice(0, at);
    const retrying = webhooks.filter(
      (webhook) =>
        before.some((delivery) => delivery.webhook === webhook) &&
        !before.some((delivery) => delivery.webhook === webhook && delivery.status === 200),
    );
    return retrying.length > 0 ? [] : [`kill ${index + 1}: no webhook was being retried`];
  });
  return {
    text: `${kills.length} kills (kill -9) in the middle of retries, of everything or of the daemon alone`,
    faults: kills.length === 0 ? ["nothing was killed"] : faults,
  };
}

function numbersGoOn({ webhooks, stored, deliveries }: Evidence): Claim {
  const faults = webhooks.flatMap((webhook) => {
    const numbers = deliveries.filter((one) => one.webhook === webhook).map((one) => one.attempt);
    const job = stored.find((one) => one.webhook === webhook);
    const rising =
      numbers[0] === 1 && numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? number));
    if (!rising) return [`${webhook}: the receiver saw the attempts ${numbers.join(", ")}`];
    if (job !== undefined && job.attempt !== numbers.at(-1)) {
      return [`${webhook}: the receiver saw attempt ${numbers.at(-1)} last, the file says ${job.attempt}`];
    }
    if (job !== undefined && job.failures + job.losses !== job.attempt - 1) {
      return [`${webhook}: ${job.attempt} attempts, but ${job.failures} failed and ${job.losses} were lost`];
    }
    return [];
  });
  const numbers = stored.map((job) => `${job.webhook} ${job.attempt}`).join(", ");
  return { text: `attempt numbers continued across the kills, none was used twice: ${numbers}`, faults };
}
