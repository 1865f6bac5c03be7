/** The examples in the doc comments of the SDK are code that compiles against the installed package. */
import { expect, test } from "bun:test";
import { sourceFiles } from "../support/source-files.ts";
import { installedModules, typeFaults } from "./installed-sdk.ts";
import { readDocument } from "./read-document.ts";
import { createWorld } from "./world.ts";

interface Example {
  /** `src/sdk/errors.ts:12` */
  readonly place: string;
  readonly code: string;
}

const examples = sourceFiles(["src/sdk", "src/testing"]).flatMap(({ path, text }) =>
  [...text.matchAll(/\* @example\n *\* ```ts\n([^]*?)\n *\* ```/g)].map((match): Example => ({
    place: `${path}:${text.slice(0, match.index).split("\n").length}`,
    code: match[1]!.replaceAll(/^ *\* ?/gm, ""),
  })),
);

/** Names that say it all, and parts of what has an example. */
const withoutExample = [
  ...["ReseolioErrorCode", "JobErrorReason", "JobStatus", "LogFields", "Serialized"],
  ...["LastJob", "PreviewWindow", "ScheduleRule", "ScheduleStatus"],
  ...["AttemptDetails", "JobErrorDetails", "JobEventInfo", "DeduplicatedCall"],
  ...["AwaitEventOptions", "AwaitSignalOptions", "AwaitSource"],
];

test("every public symbol of the SDK has an example, but for a few that need none", () => {
  const exported = ["sdk", "testing"].flatMap(exportsOf);
  const bare = exported.filter(({ name, file }) => name !== "" && !hasExample(name, readDocument(file)));
  expect(bare.map(({ name }) => name).sort()).toEqual(withoutExample.toSorted());
});

test("every example compiles", async () => {
  expect(examples.length).toBeGreaterThan(20);
  await using world = await createWorld(await installedModules());
  await world.write("package.json", '{ "private": true, "type": "module" }');
  await world.write("examples.ts", [PRELUDE, ...examples.map(asFunction)].join("\n"));
  expect(await typeFaults(world.path, "examples.ts", { unusedIsFine: true })).toBe("");
}, 300_000);

function exportsOf(room: string): readonly { readonly name: string; readonly file: string }[] {
  const index = readDocument(`src/${room}/index.ts`);
  return [...index.matchAll(/\{([^}]*)\} from "\.\/([^"]+)"/g)].flatMap(([, names, file]) =>
    names!.split(",").map((name) => ({ name: name.replace(/\btype\b/, "").trim(), file: `src/${room}/${file}` })),
  );
}

/** What the examples speak of without making it. */
const PRELUDE = `
import { ConnectionError, context, JobCancelledError, JobFailedError, Reseolio, ReseolioError, ResultTimeoutError } from "reseolio";
import { EventTimeoutError, RetryAfterError, SignalTimeoutError, StepFailedError, TerminalError } from "reseolio";
import { createTestWorld, UnsafeReplayError } from "reseolio/testing";
import type { TestWorld, TestWorldOptions } from "reseolio/testing";
import type { DurableFunction, JobHandle, JobOptions, JobPage, JobQuery, JobResult, LogFields, Logger } from "reseolio";
import type { ScheduleHandle, ScheduleJobOptions, ScheduleOptions, SchedulePage, ScheduleQuery } from "reseolio";
import type { BackfillWindow, PreviewWindow, ScheduleRule, ScheduleSettings, ScheduleUpdate, StepOptions, StepRun, UndoRun } from "reseolio";
declare const reseolio: Reseolio;
declare const charge: DurableFunction<[orderId: string, cents: number], { receipt: string }>;
declare const job: JobHandle<{ receipt: string }>;
declare const pem: string;
`;

function asFunction({ place, code }: Example, index: number): string {
  return `// ${place}\nexport async function example${index}() {\n${code}\n}`;
}

/** In the comment of its declaration, or of a member inside it. */
function hasExample(name: string, text: string): boolean {
  const declaration = new RegExp(`^export (?:interface|class|(?:async )?function|type|const) ${name}\\b`, "m").exec(
    text,
  );
  if (declaration === null) throw new Error(`${name} is not declared where the index says`);
  const comment = text.slice(0, declaration.index).trimEnd();
  return comment.endsWith("*/") && comment.slice(comment.lastIndexOf("/**")).includes("@example");
}
