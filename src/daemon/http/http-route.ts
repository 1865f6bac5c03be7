import type { HttpRequest, PlainAnswer } from "./respond.ts";

/** Serves GET and HEAD requests for one path. */
export type HttpRoute = (request: HttpRequest) => PlainAnswer | Promise<PlainAnswer>;

/** Routes by exact path. */
export type HttpRoutes = ReadonlyMap<string, HttpRoute>;

export function plainText(status: number, body: string, headers: Readonly<Record<string, string>> = {}): PlainAnswer {
  return { status, contentType: "text/plain; charset=utf-8", body: `${body}\n`, headers };
}

/** Serves a request that is not an RPC. */
export async function answerPlain(routes: HttpRoutes, request: HttpRequest, path: string): Promise<PlainAnswer> {
  const route = routes.get(path);
  if (route === undefined) {
    return plainText(
      404,
      `nothing is served at ${JSON.stringify(path.slice(0, 100))}; try /healthz, /readyz or /metrics, or call /reseolio.v1.JobService/ListJobs with POST`,
    );
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return plainText(405, `${path} supports only GET and HEAD`, { allow: "GET, HEAD" });
  }
  return await route(request);
}
