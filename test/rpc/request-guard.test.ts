import { describe, expect, test } from "bun:test";
import { connect } from "node:http2";
import type { HttpWorld } from "../support/http-world.ts";
import { startHttpWorld } from "../support/http-world.ts";
import { openRawSocket } from "../support/raw-socket.ts";

/** Status of a raw HTTP/1 request with these header lines. */
async function statusOf(port: number, headerLines: readonly string[], target = "/healthz"): Promise<number> {
  using raw = await openRawSocket(port);
  raw.write(`GET ${target} HTTP/1.1\r\n${headerLines.map((line) => `${line}\r\n`).join("")}\r\n`);
  await Promise.race([raw.saw("\r\n\r\n"), raw.closed]);
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(raw.received)?.[1] ?? 0);
}

async function h2Status(world: HttpWorld, headers: Record<string, string>): Promise<number> {
  const session = connect(world.url);
  try {
    return await new Promise((resolve, reject) => {
      session.on("error", reject);
      const stream = session.request({ ":path": "/healthz", ...headers });
      stream.on("error", reject);
      stream.on("response", (answer) => resolve(Number(answer[":status"])));
      stream.resume();
      stream.end();
    });
  } finally {
    session.destroy();
  }
}

describe("the name that a request is addressed to", () => {
  const foreign = [
    "evil.example",
    "evil.example:PORT",
    "localhost.evil.example:PORT",
    "127.0.0.1.nip.io:PORT",
    "evil.example@localhost:PORT",
    "localhost@evil.example",
    "localhost:PORT, evil.example",
    "localhost:PORT@evil.example",
    "0.0.0.0:PORT",
    "127.1:PORT",
    "2130706433:PORT",
    "0x7f000001:PORT",
    "[::ffff:127.0.0.1]:PORT",
    "localhost.:PORT",
    "localhost:PORT:1",
    "localhost:",
    "localhost:0x1",
    "http://localhost:PORT",
    "192.168.1.7:PORT",
    "printer.local:PORT",
    "",
    " ",
  ];

  test("in any foreign spelling it is refused with 403", async () => {
    await using world = await startHttpWorld();
    const statuses: string[] = [];
    for (const spelling of foreign) {
      const host = spelling.replaceAll("PORT", String(world.port));
      statuses.push(`${spelling} ${await statusOf(world.port, [`Host: ${host}`])}`);
    }
    expect(statuses).toEqual(foreign.map((spelling) => `${spelling} 403`));
  });

  test("in every spelling of ours it is served, at any port, as behind a forwarded one", async () => {
    await using world = await startHttpWorld({ hostNames: ["Jobs.example.com"] });
    const own = ["localhost:PORT", "LocalHost:PORT", "127.0.0.1:PORT", "[::1]:PORT", "localhost", "127.0.0.1:9999"];
    for (const spelling of [...own, "jobs.example.com:PORT", "jobs.example.com"]) {
      const host = spelling.replaceAll("PORT", String(world.port));
      expect(`${host} ${await statusOf(world.port, [`Host: ${host}`])}`).toBe(`${host} 200`);
    }
  });

  test("must be there, and must be ours every time that it is told", async () => {
    await using world = await startHttpWorld();
    expect(await statusOf(world.port, [])).toBe(403);
    expect(await statusOf(world.port, ["Host: localhost", "Host: evil.example"])).toBe(403);
    expect(await statusOf(world.port, ["Host: evil.example", "Host: localhost"])).toBe(403);
    expect(await statusOf(world.port, ["Host: localhost"], "http://evil.example/healthz")).toBe(400);
    expect(await statusOf(world.port, ["Host: localhost"], "http://localhost/healthz")).toBe(400);
  });

  test("is checked over HTTP/2 too, where two names may travel", async () => {
    await using world = await startHttpWorld();
    expect(await h2Status(world, {})).toBe(200);
    expect(await h2Status(world, { ":authority": "evil.example" })).toBe(403);
    expect(await h2Status(world, { ":authority": `localhost:${world.port}`, host: "evil.example" })).toBe(403);
  });

  test("is checked before anything is routed: RPCs, unknown paths, every method", async () => {
    await using world = await startHttpWorld();
    for (const method of ["GET", "POST", "OPTIONS", "DELETE"]) {
      for (const path of ["/", "/readyz", "/nothing", "/reseolio.v1.JobService/ListJobs"]) {
        const response = await fetch(world.url + path, { method, headers: { host: "evil.example" } });
        expect(`${method} ${path} ${response.status}`).toBe(`${method} ${path} 403`);
        await response.arrayBuffer();
      }
    }
  });
});

describe("pages", () => {
  const evil = [
    "http://evil.example",
    "null",
    "http://localhost:1",
    "http://127.0.0.1",
    "file://",
    "https://localhost",
  ];

  test("of other origins are refused, also to read and also to ask for permission", async () => {
    await using world = await startHttpWorld();
    for (const origin of evil) {
      for (const method of ["GET", "POST", "OPTIONS"]) {
        const response = await fetch(`${world.url}/reseolio.v1.JobService/ListJobs`, { method, headers: { origin } });
        expect(`${origin} ${method} ${response.status}`).toBe(`${origin} ${method} 403`);
        expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
        await response.arrayBuffer();
      }
    }
  });

  test("of ours are served, but only at the very address they came from", async () => {
    await using world = await startHttpWorld();
    const list = (origin: string): Promise<Response> => world.post("JobService/ListJobs", {}, { origin });
    expect((await list(`http://127.0.0.1:${world.port}`)).status).toBe(200);
    expect((await list(`http://localhost:${world.port}`)).status).toBe(403);
  });

  test("that the browser calls cross-site or same-site are refused", async () => {
    await using world = await startHttpWorld();
    const statusFrom = async (site: string): Promise<number> =>
      (await fetch(`${world.url}/healthz`, { headers: { "sec-fetch-site": site } })).status;
    expect(await statusFrom("cross-site")).toBe(403);
    expect(await statusFrom("same-site")).toBe(403);
    expect(await statusFrom("nonsense")).toBe(403);
    expect(await statusFrom("same-origin")).toBe(200);
    expect(await statusFrom("none")).toBe(200);
  });

  test("cannot change anything by GET, nor by a body that needs no preflight", async () => {
    await using world = await startHttpWorld();
    const path = `${world.url}/reseolio.v1.JobService/EnqueueJobs`;
    const message = encodeURIComponent('{"jobs":[{"functionName":"a:b"}]}');
    const got = await fetch(`${path}?connect=v1&encoding=json&message=${message}`);
    expect(got.status).toBe(405);
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
      const body = '{"jobs":[{"functionName":"a:b"}]}';
      const posted = await fetch(path, { method: "POST", headers: { "content-type": type }, body });
      expect(`${type} ${posted.status}`).toBe(`${type} 415`);
      await posted.arrayBuffer();
    }
    expect(await world.world.engine.store.jobs.count()).toEqual([]);
  });
});

describe("the token", () => {
  const token = "correct-horse-battery-staple";

  test("is needed for everything but the probes", async () => {
    await using world = await startHttpWorld({ token });
    const open = await Promise.all(["/healthz", "/readyz"].map((path) => fetch(world.url + path)));
    expect(open.map((response) => response.status)).toEqual([200, 200]);
    const closed = ["/", "/metrics", "/reseolio.v1.JobService/ListJobs", "/healthz/x", "/HEALTHZ"];
    for (const path of closed) expect(`${path} ${(await fetch(world.url + path)).status}`).toBe(`${path} 401`);
  });

  test("of the daemon is accepted, any other is refused with the way to send it", async () => {
    await using world = await startHttpWorld({ token });
    const list = (authorization: string): Promise<Response> => world.post("JobService/ListJobs", {}, { authorization });
    expect((await list(`Bearer ${token}`)).status).toBe(200);
    expect((await list(`bearer ${token}`)).status).toBe(200);
    const wrong = [
      `Bearer ${token}x`,
      `Bearer ${token.slice(0, -1)}`,
      `Basic ${token}`,
      token,
      "Bearer",
      "Bearer ",
      "",
    ];
    for (const one of wrong) {
      const response = await list(one);
      expect(`${one} ${response.status}`).toBe(`${one} 401`);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
      expect(await response.json()).toMatchObject({ code: "unauthenticated" });
    }
  });

  test("is never told: neither in answers nor in the log", async () => {
    await using world = await startHttpWorld({ token });
    const wrong = "Bearer a-wrong-but-secret-token";
    const body = await (await world.post("JobService/ListJobs", {}, { authorization: wrong })).text();
    expect(body + JSON.stringify(world.logged)).not.toContain("secret-token");
    expect(body + JSON.stringify(world.logged)).not.toContain(token);
  });
});
