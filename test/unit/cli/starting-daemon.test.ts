import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { waitUntilListening } from "../../../src/cli/calls/starting-daemon.ts";
import { parseAddress } from "../../../src/sdk/transport/address.ts";
import { freePort } from "../../support/free-port.ts";

test("a daemon of this machine that is just starting is waited for", async () => {
  const port = await freePort();
  const server = createServer();
  const listening = new Promise<number>((resolve) => {
    setTimeout(() => server.listen(port, "127.0.0.1", () => resolve(performance.now())), 200);
  });
  await waitUntilListening(parseAddress(`127.0.0.1:${port}`, false));
  const endedAt = performance.now();
  expect(endedAt).toBeGreaterThanOrEqual(await listening);
  server.close();
});

test("one that does not come is given up after a second, one elsewhere is not waited for", async () => {
  const startedAt = performance.now();
  await waitUntilListening(parseAddress("jobs.invalid:50051", false));
  expect(performance.now() - startedAt).toBeLessThan(500);
  await waitUntilListening(parseAddress(`[::1]:${await freePort()}`, false));
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});
