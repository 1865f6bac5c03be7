import type { HttpRequest, PlainAnswer } from "./respond.ts";

/** Answers one path for GET and HEAD. */
export type HttpRoute = (request: HttpRequest) => PlainAnswer | Promise<PlainAnswer>;

/** By exact path. */
export type HttpRoutes = ReadonlyMap<string, HttpRoute>;

export function plainText(status: number, body: string, headers: Readonly<Record<string, string>> = {}): PlainAnswer {
  return { status, contentType: "text/plain; charset=utf-8", body: `${body}\n`, headers };
}

/** The answer to a request for something that is no RPC. */
export async function answerPlain(routes: HttpRoutes, request: HttpRequest, path: string): Promise<PlainAnswer> {
  const route = routes.get(path);
  if (route === undefined) {
    return plainText(
      404,
      `there is nothing at ${JSON.stringify(path.slice(0, 100))}; try /healthz, /readyz or /metrics, or call /reseolio.v1.JobService/ListJobs by POST`,
    );
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return plainText(405, `${path} answers GET and HEAD only`, { allow: "GET, HEAD" });
  }
  return await route(request);
}
