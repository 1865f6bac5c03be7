/**
 * A server with one route, `POST /accounts/ADDRESS`. It answers as soon as the mail's job is on disk; kill it before
 * the mail is out, start it again, and the mail goes out.
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
    // One mail for each address, however often the form is sent.
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
