import { Code, ConnectError, type Interceptor, type StreamResponse } from "@connectrpc/connect";
import { DaemonError } from "../../core/errors.ts";
import type { Logger } from "../../logger.ts";
import { connectErrorFrom } from "./error-details.ts";

/**
 * Turns every fault of a service into a ConnectError: a DaemonError keeps its code and tells its details, anything
 * else is a mistake of ours, so it is logged with its stack and the caller learns no more than that.
 */
export function createErrorInterceptor(logger: Logger): Interceptor {
  return (next) => async (request) => {
    const path = `${request.service.typeName}/${request.method.name}`;
    const translate = (error: unknown): ConnectError =>
      request.signal.aborted && error === request.signal.reason
        ? clientGone(error)
        : translateFault(error, path, logger);
    try {
      const response = await next(request);
      return response.stream ? withTranslatedFaults(response, translate) : response;
    } catch (error) {
      throw translate(error);
    }
  };
}

/** What a service throws because its caller went away is no fault; nobody is there to hear it. */
function clientGone(reason: unknown): ConnectError {
  return reason instanceof ConnectError ? reason : new ConnectError("the client is gone", Code.Canceled);
}

/** What a caller is told of a fault; what is a mistake of ours is logged instead. */
export function translateFault(error: unknown, path: string, logger: Logger): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof DaemonError) {
    if (error.code === "internal" || error.code === "fatal") logger.error(`${path} failed`, { error });
    return connectErrorFrom(error);
  }
  logger.error(`${path} failed by a fault of the daemon`, { error });
  return new ConnectError("internal error; the daemon's log has the cause", Code.Internal);
}

/** By hand instead of by a generator: it stands in the way of every frame of a session. */
function withTranslatedFaults<R extends StreamResponse>(response: R, translate: (error: unknown) => ConnectError): R {
  const messages = response.message;
  const rethrow = (error: unknown): never => {
    throw translate(error);
  };
  const message: typeof messages = {
    [Symbol.asyncIterator]() {
      const inner = messages[Symbol.asyncIterator]();
      return {
        next: () => inner.next().catch(rethrow),
        return: async () => (await inner.return?.()) ?? { done: true, value: undefined },
        throw: async (error: unknown) => {
          if (inner.throw === undefined) throw translate(error);
          return await inner.throw(error);
        },
      };
    },
  };
  return { ...response, message };
}
