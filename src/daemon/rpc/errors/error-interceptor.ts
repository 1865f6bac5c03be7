import { Code, ConnectError, type Interceptor, type StreamResponse } from "@connectrpc/connect";
import { DaemonError } from "../../core/errors.ts";
import type { Logger } from "../../logger.ts";
import { connectErrorFrom } from "./error-details.ts";

/**
 * Converts every error of a service to a ConnectError. A DaemonError keeps its code and details. Anything else is a bug: it
 * is logged with its stack, and the caller gets only an internal error.
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

/** Errors caused by a client that disconnected are not logged, and nobody receives them. */
function clientGone(reason: unknown): ConnectError {
  return reason instanceof ConnectError ? reason : new ConnectError("the client has disconnected", Code.Canceled);
}

/** The error to send to the caller; logs internal errors. */
export function translateFault(error: unknown, path: string, logger: Logger): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof DaemonError) {
    if (error.code === "internal" || error.code === "fatal") logger.error(`${path} failed`, { error });
    return connectErrorFrom(error);
  }
  logger.error(`${path} failed with an internal error`, { error });
  return new ConnectError("internal error; see the daemon's log", Code.Internal);
}

/** Written without a generator because every session frame passes through it. */
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
