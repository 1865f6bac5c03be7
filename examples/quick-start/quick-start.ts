import { Reseolio } from "reseolio";

const reseolio = new Reseolio({ storage: "sqlite://./reseolio.db" });
await reseolio.start(); // connects; starts the daemon if none answers

const sendEmail = reseolio.durable(
  reseolio.namespace("notifications", "email", "send"), // "notifications:email:send"
  async (to: string, body: string) => {
    console.log(`to ${to}: ${body}`); // your e-mail provider's client here
    return { sent: true };
  },
  { maxAttempts: 5, backoff: "exponential" },
);

const job = await sendEmail("alice@example.com", "Hello!"); // on disk when this line is done
const { sent } = await job.result(30_000); // the handler's value, from this process or another
console.log(sent);
await reseolio.stop();
