import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkout } from "./executable.ts";
import { runCommand, runOrThrow } from "./run-command.ts";

/** Debian's, which has the packages; the one on PATH may be another. */
export const python = "/usr/bin/python3";

const protoFiles = [
  "reseolio/v1/job.proto",
  "reseolio/v1/job_service.proto",
  "reseolio/v1/session_service.proto",
  "reseolio/v1/daemon_service.proto",
  "google/rpc/status.proto",
];

/** True when Debian's python3-grpcio and python3-grpc-tools are there. */
export async function hasPythonGrpc(): Promise<boolean> {
  const probe = await runCommand([python, "-c", "import grpc, grpc_tools"]).catch(() => undefined);
  return probe?.exitCode === 0;
}

/** Copies examples/python into the directory and generates its modules there, as its README tells. */
export async function preparePython(directory: string): Promise<void> {
  await cp(join(checkout, "examples", "python"), directory, { recursive: true });
  const proto = join(directory, "proto");
  await copyProto(proto);
  await runOrThrow(
    [
      python,
      "-m",
      "grpc_tools.protoc",
      "-I",
      proto,
      `--python_out=${directory}`,
      `--grpc_python_out=${directory}`,
      ...protoFiles,
    ],
    { cwd: directory },
  );
}

/** Debian's protoc is from before proto3's `optional`; the word changes nothing on the wire. */
async function copyProto(destination: string): Promise<void> {
  const source = join(checkout, "proto");
  for (const name of await readdir(source, { recursive: true })) {
    if (!name.endsWith(".proto")) continue;
    const text = await readFile(join(source, name), "utf8");
    await mkdir(join(destination, name, ".."), { recursive: true });
    await writeFile(join(destination, name), text.replaceAll(/^( *)optional /gm, "$1"));
  }
}
