/**
 * `npx -y bun@1.4.5 run verify`: from a fresh clone to a verdict. Installs, builds, checks and tests everything; progress
 * on stderr, the closing line `N passed, N failed` on stdout, exit code 0 only when nothing failed.
 */
import { runChecks } from "./check.ts";
import { checkout, installDependencies } from "./prepare.ts";
import { run } from "./run.ts";
import { closingLine } from "./tally.ts";

/** Needed by the tests of clients in other languages, which are reported as skipped without them. */
const debianPackages: readonly { readonly name: string; readonly probe: readonly string[] }[] = [
  { name: "python3-grpcio", probe: ["/usr/bin/python3", "-c", "import grpc"] },
  { name: "python3-grpc-tools", probe: ["/usr/bin/python3", "-c", "import grpc_tools"] },
  { name: "curl", probe: ["curl", "--version"] },
];

async function installDebianPackages(): Promise<void> {
  const missing: string[] = [];
  for (const { name, probe } of debianPackages) {
    const found = await run(probe, { cwd: checkout });
    if (found.exitCode !== 0) missing.push(name);
  }
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0)
    return say(`${missing.join(", ")} not installed, and this user is not root: their tests are skipped`);
  say(`installing ${missing.join(", ")}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await run(["apt-get", "update", "-qq"], { cwd: checkout, env, timeoutMs: 3 * 60_000 });
  const install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", ...missing];
  const result = await run(install, { cwd: checkout, env, timeoutMs: 5 * 60_000 });
  if (result.exitCode !== 0) say(`could not install them, their tests are skipped:\n${result.output}`);
}

function say(message: string): void {
  process.stderr.write(`verify: ${message}\n`);
}

async function verify(): Promise<void> {
  const startedAt = performance.now();
  say("installing dependencies");
  await installDependencies();
  await installDebianPackages();
  const tally = await runChecks();
  say(`took ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
  process.stdout.write(`${closingLine(tally)}\n`);
  process.exitCode = tally.failed > 0 ? 1 : 0;
}

await verify().catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error));
  process.stdout.write("0 passed, 1 failed\n");
  process.exitCode = 1;
});
