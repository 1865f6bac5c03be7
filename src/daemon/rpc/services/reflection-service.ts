import {
  clone,
  create,
  createFileRegistry,
  type DescFile,
  type DescMethodBiDiStreaming,
  type DescService,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter, type ConnectRouterOptions } from "@connectrpc/connect";
import {
  file_grpc_reflection_v1_reflection,
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "#proto/gen/grpc/reflection/v1/reflection_pb.ts";
import { DescriptorIndex } from "./descriptor-index.ts";

/**
 * Registers grpc.reflection.v1 for the services and for itself, and also v1alpha, which many tools still use. Responses
 * include all dependencies of a file.
 */
export function addReflection(
  router: ConnectRouter,
  services: readonly DescService[],
  options: Partial<ConnectRouterOptions>,
): void {
  const alpha = alphaMethod();
  const index = new DescriptorIndex([...services, ServerReflection, alpha.parent]);
  router.service(
    ServerReflection,
    {
      async *serverReflectionInfo(requests) {
        for await (const request of requests) yield answer(index, request);
      },
    },
    options,
  );
  router.rpc(
    alpha,
    async function* (requests) {
      // The two versions are identical on the wire except for the package name.
      for await (const request of requests) {
        const asked = fromBinary(ServerReflectionRequestSchema, toBinary(alpha.input, request));
        yield fromBinary(alpha.output, toBinary(ServerReflectionResponseSchema, answer(index, asked)));
      }
    },
    options,
  );
}

function answer(index: DescriptorIndex, request: ServerReflectionRequest): ServerReflectionResponse {
  return create(ServerReflectionResponseSchema, {
    validHost: request.host,
    originalRequest: request,
    messageResponse: lookUp(index, request.messageRequest),
  });
}

type Answer = ServerReflectionResponse["messageResponse"];

function lookUp(index: DescriptorIndex, asked: ServerReflectionRequest["messageRequest"]): Answer {
  switch (asked.case) {
    case "listServices":
      return services(index.serviceNames);
    case "fileByFilename":
      return files(index, index.findFile(asked.value), `no file ${asked.value}`);
    case "fileContainingSymbol":
      return files(index, index.findFileOf(asked.value), `no symbol ${asked.value}`);
    case "fileContainingExtension":
      return fault(Code.NotFound, `${asked.value.containingType} has no extensions`);
    case "allExtensionNumbersOfType":
      return extensionNumbers(index, asked.value);
    case undefined:
      return fault(Code.InvalidArgument, "message_request is not set");
  }
}

function services(names: readonly string[]): Answer {
  return {
    case: "listServicesResponse",
    value: {
      $typeName: "grpc.reflection.v1.ListServiceResponse",
      service: names.map((name) => ({ $typeName: "grpc.reflection.v1.ServiceResponse", name })),
    },
  };
}

function files(index: DescriptorIndex, file: DescFile | null, missing: string): Answer {
  if (file === null) return fault(Code.NotFound, missing);
  return {
    case: "fileDescriptorResponse",
    value: {
      $typeName: "grpc.reflection.v1.FileDescriptorResponse",
      fileDescriptorProto: index.withDependencies(file),
    },
  };
}

/** No message of these services has extensions. */
function extensionNumbers(index: DescriptorIndex, typeName: string): Answer {
  if (index.findFileOf(typeName) === null) return fault(Code.NotFound, `no type ${typeName}`);
  return {
    case: "allExtensionNumbersResponse",
    value: {
      $typeName: "grpc.reflection.v1.ExtensionNumberResponse",
      baseTypeName: typeName,
      extensionNumber: [],
    },
  };
}

function fault(errorCode: Code, errorMessage: string): Answer {
  return {
    case: "errorResponse",
    value: { $typeName: "grpc.reflection.v1.ErrorResponse", errorCode, errorMessage },
  };
}

/** The same file with the package name of v1alpha. */
function alphaMethod(): DescMethodBiDiStreaming {
  const proto = clone(FileDescriptorProtoSchema, file_grpc_reflection_v1_reflection.proto);
  proto.name = "grpc/reflection/v1alpha/reflection.proto";
  proto.package = "grpc.reflection.v1alpha";
  const rename = (typeName: string): string => typeName.replace(".grpc.reflection.v1.", ".grpc.reflection.v1alpha.");
  for (const field of proto.messageType.flatMap((message) => message.field)) field.typeName = rename(field.typeName);
  for (const method of proto.service.flatMap((service) => service.method)) {
    method.inputType = rename(method.inputType);
    method.outputType = rename(method.outputType);
  }
  const registry = createFileRegistry(proto, () => undefined);
  const method = registry.getService("grpc.reflection.v1alpha.ServerReflection")?.methods[0];
  if (method?.methodKind !== "bidi_streaming") throw new Error("grpc.reflection.v1 has no streaming method");
  return method as DescMethodBiDiStreaming;
}
