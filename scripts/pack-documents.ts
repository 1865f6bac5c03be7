/** The documents of an npm package: README, changelog, guides and examples, whose links lead somewhere there too. */
import { existsSync } from "node:fs";
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

const DOCUMENTS = ["README.md", "CHANGELOG.md", "LICENSE", "docs", "examples"];
/** What running an example leaves behind, and what is for those who change the source. */
const LEFT_OUT = /(^|\/)(node_modules|__pycache__|docs\/decisions)(\/|$)|\.db(-wal|-shm|\.lock|\.log)?$/;

/** Copies them beside what is in `directory` already; a link to what is not there becomes plain text. */
export async function packDocuments(checkout: string, directory: string): Promise<void> {
  for (const name of DOCUMENTS) {
    const filter = (path: string): boolean => !LEFT_OUT.test(path.slice(checkout.length));
    await cp(join(checkout, name), join(directory, name), { recursive: true, filter });
  }
  const names = await readdir(directory, { recursive: true });
  for (const name of names.filter((candidate) => candidate.endsWith(".md"))) await unlinkMissing(join(directory, name));
}

async function unlinkMissing(path: string): Promise<void> {
  const text = await readFile(path, "utf8");
  const isThere = (target: string): boolean => existsSync(join(dirname(path), target));
  await writeFile(
    path,
    text.replaceAll(RELATIVE_LINK, (link: string, label: string, target: string) => (isThere(target) ? link : label)),
  );
}

/** `[label](target#part)`, but no address. */
const RELATIVE_LINK = /\[([^\]]+)\]\((?![a-z]+:)([^)#]+)(?:#[^)]*)?\)/g;
