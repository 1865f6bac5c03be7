import { Reseolio } from "reseolio";

const reseolio = new Reseolio({ storage: "sqlite://./reseolio.db" });
await reseolio.start(); // starts a daemon if none is running

const sendEmail = reseolio.durable("mail:send", async (to: string, body: string) => {
  console.log(`to ${to}: ${body}`); // your e-mail provider's client here
  return { sent: true };
});

const job = await sendEmail("alice@example.com", "Hello!"); // on disk when this line is done
console.log((await job.result()).sent); // from this process, or from another
await reseolio.stop();
