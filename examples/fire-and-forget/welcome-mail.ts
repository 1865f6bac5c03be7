import { context, type Reseolio } from "reseolio";

/** Where e-mails go: a provider's client in real life. */
export interface Mailer {
  /** `key` is the same when an e-mail is sent again: providers drop the second one. */
  send(to: string, subject: string, key: string): Promise<void>;
}

/** An e-mail that new users need not wait for. */
export function defineWelcomeMail(reseolio: Reseolio, mailer: Mailer) {
  return reseolio.durable(
    reseolio.namespace("accounts", "mail", "welcome"),
    async (address: string) => mailer.send(address, "Good to have you here", context().jobId),
    { maxAttempts: 10 },
  );
}
