/**
 * A server with one route, `POST /accounts/ADDRESS`. It answers as soon as the e-mail's job is on disk. Kill it
 * before the e-mail is sent, start it again, and the e-mail is sent.
 *
 *     PORT=8080 bun main.ts
 */
import { createServer, type ServerResponse } from "node:http";
import { Reseolio } from "reseolio";
import { defineWelcomeMail } from "./welcome-mail.ts";

const reseolio = new Reseolio();
const sendWelcomeMail = defineWelcomeMail(reseolio, {
  send: async (to, subject) => console.log(`to ${to}: ${subject}`),
});

const server = createServer((request, response) => {
  const address = /^\/accounts\/([^/]+)$/.exec(request.url ?? "")?.[1];
  if (request.method === "POST" && address !== undefined) void signUp(decodeURIComponent(address), response);
  else response.writeHead(404).end();
});

async function signUp(address: string, response: ServerResponse): Promise<void> {
  try {
    // One e-mail per address, however often the form is sent.
    await sendWelcomeMail.with({ idempotencyKey: address })(address);
    response.writeHead(202).end("welcome\n");
  } catch (error) {
    response.writeHead(503).end(`try again: ${String(error)}\n`);
  }
}

await reseolio.start();
server.listen(Number(process.env["PORT"] ?? 8080), "127.0.0.1", () => console.log("ready"));
process.once("SIGTERM", () => {
  server.close();
  void reseolio.stop();
});
