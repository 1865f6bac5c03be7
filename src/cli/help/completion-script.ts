/** Completion scripts, generated from the command table. */
import { type AnyCommand, type CommandTable, isGroup } from "../command.ts";
import { TOPICS } from "./help-text.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

export function isShell(text: string): text is Shell {
  return (SHELLS as readonly string[]).includes(text);
}

/** The words that can follow what was typed so far. */
interface Step {
  /** The words after `reseolio`, joined by spaces; "" at the start. */
  readonly path: string;
  readonly words: readonly CompletionWord[];
  /** Flags that take a value, with the possible values; null if these are not known. */
  readonly values: Readonly<Record<string, readonly string[] | null>>;
  /** The shell command that lists the names that fit here; null if no name does. */
  readonly names: string | null;
}

interface CompletionWord {
  readonly word: string;
  readonly summary: string;
}

export async function completionScript(shell: Shell, table: CommandTable): Promise<string> {
  const steps = await readSteps(table);
  switch (shell) {
    case "bash":
      return bash(steps);
    case "zsh":
      return zsh(steps);
    case "fish":
      return fish(steps);
  }
}

async function readSteps(table: CommandTable): Promise<readonly Step[]> {
  const nouns = Object.entries(table).map(([word, entry]) => ({ word, summary: entry.summary }));
  const help = { word: "help", summary: "Show help for a command or a topic" };
  const steps: Step[] = [group("", [...nouns, help]), group("help", [...nouns, ...topics()])];
  for (const [noun, entry] of Object.entries(table)) {
    if (!isGroup(entry)) {
      steps.push(commandStep(noun, await entry.load()));
      continue;
    }
    const verbs = Object.entries(entry.subCommands).map(([word, verb]) => ({ word, summary: verb.summary }));
    steps.push(group(noun, verbs));
    for (const [verb, command] of Object.entries(entry.subCommands)) {
      if (!isGroup(command)) steps.push(commandStep(`${noun} ${verb}`, await command.load()));
    }
  }
  return steps;
}

function topics(): readonly CompletionWord[] {
  return Object.entries(TOPICS).map(([word, { summary }]) => ({ word, summary }));
}

function group(path: string, words: readonly CompletionWord[]): Step {
  return { path, words, values: {}, names: null };
}

const SHELL_WORDS: readonly CompletionWord[] = SHELLS.map((word) => ({ word, summary: "" }));

function commandStep(path: string, command: AnyCommand): Step {
  const flags = Object.entries(command.args);
  const words = flags.map(([name, flag]) => ({ word: `--${name}`, summary: flag.description ?? "" }));
  const values = flags
    .filter(([, flag]) => flag.type !== "boolean")
    .map(([name, flag]) => [`--${name}`, flag.type === "enum" ? (flag.options ?? []) : null] as const);
  return {
    path,
    words: [...(path === "completion" ? SHELL_WORDS : []), ...words, { word: "--help", summary: "Show help" }],
    values: Object.fromEntries(values),
    names: command.operands?.[0]?.name === "NAME" ? namesOf(path) : null,
  };
}

const FUNCTION_NAMES = "reseolio functions list -q --call-timeout 200ms 2>/dev/null";
const SCHEDULE_NAMES = "reseolio schedules list -q --call-timeout 200ms 2>/dev/null";

/** A new schedule has no name to complete, and events cannot be listed. */
function namesOf(path: string): string | null {
  if (path === "schedules create" || path.startsWith("events ")) return null;
  return path.startsWith("schedules ") ? SCHEDULE_NAMES : FUNCTION_NAMES;
}

const STATES = "pending running suspended success dead cancelled";
const SCHEDULE_STATES = "active paused deleted";

/** The shell commands that list the values of these flags. */
const FLAG_NAMES: Readonly<Record<string, string>> = { "--function": FUNCTION_NAMES, "--schedule": SCHEDULE_NAMES };

function statesOf(path: string): string {
  return path.startsWith("schedules ") ? SCHEDULE_STATES : STATES;
}

function bash(steps: readonly Step[]): string {
  const cases = steps.map(
    ({ path, words, names }) =>
      `    ${quote(path)}) words=${quote(words.map(({ word }) => word).join(" "))}${names === null ? "" : `; names=${quote(names)}`} ;;`,
  );
  const values = steps.flatMap(({ path, values }) =>
    Object.entries(values).map(
      ([flag, options]) => `    ${quote(`${path} ${flag}`)}) ${bashValue(path, flag, options)} ;;`,
    ),
  );
  return `# bash completion for reseolio: source <(reseolio completion bash)
_reseolio() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local path="" words="" names="" word index
  for ((index = 1; index < COMP_CWORD && index < 3; index++)); do
    word="\${COMP_WORDS[index]}"
    [[ $word == -* ]] && break
    case "$path" in
      ${groupPaths(steps).map(quote).join("|")}) path="\${path:+$path }$word" ;;
    esac
  done
  COMPREPLY=()
  case "$path $previous" in
${values.join("\n")}
  esac
  case "$path" in
${cases.join("\n")}
  esac
  if [[ -n $names && $current != -* ]]; then words="$words $(eval "$names")"; fi
  local IFS=$' \\n'
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  # Readline splits words at colons, which function names contain.
  if declare -F __ltrim_colon_completions >/dev/null; then __ltrim_colon_completions "$current"; fi
}
complete -F _reseolio reseolio
`;
}

function bashValue(path: string, flag: string, options: readonly string[] | null): string {
  const names = FLAG_NAMES[flag];
  if (names !== undefined) return `COMPREPLY=($(compgen -W "$(${names})" -- "$current")); return`;
  if (flag === "--state") return `COMPREPLY=($(compgen -W ${quote(statesOf(path))} -- "$current")); return`;
  if (options !== null) return `COMPREPLY=($(compgen -W ${quote(options.join(" "))} -- "$current")); return`;
  return `COMPREPLY=($(compgen -f -- "$current")); return`;
}

/** Paths that another word of the command table follows. */
function groupPaths(steps: readonly Step[]): readonly string[] {
  return steps
    .map(({ path }) => path)
    .filter((path) => path === "" || steps.some((one) => one.path.startsWith(`${path} `)));
}

function zsh(steps: readonly Step[]): string {
  const cases = steps.map(({ path, words, names }) => {
    const described = words.map(({ word, summary }) => quote(`${word.replaceAll(":", "\\:")}:${oneLine(summary)}`));
    return `    ${quote(path)}) words_here=(${described.join(" ")})${names === null ? "" : `; names=${quote(names)}`} ;;`;
  });
  const values = steps.flatMap(({ path, values }) =>
    Object.entries(values).map(
      ([flag, options]) => `    ${quote(`${path} ${flag}`)}) ${zshValue(path, flag, options)}; return ;;`,
    ),
  );
  return `#compdef reseolio
# zsh completion for reseolio: reseolio completion zsh > "\${fpath[1]}/_reseolio"
_reseolio() {
  local path_here="" word names="" index
  local -a words_here live
  for ((index = 2; index < CURRENT && index < 4; index++)); do
    word="\${words[index]}"
    [[ $word == -* ]] && break
    case "$path_here" in
      ${groupPaths(steps).map(quote).join("|")}) path_here="\${path_here:+$path_here }$word" ;;
    esac
  done
  case "$path_here \${words[CURRENT-1]}" in
${values.join("\n")}
  esac
  case "$path_here" in
${cases.join("\n")}
  esac
  if [[ -n $names && \${words[CURRENT]} != -* ]]; then
    live=(\${(f)"$(eval "$names")"})
    compadd -- $live
  fi
  _describe 'reseolio' words_here
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _reseolio "$@"; else compdef _reseolio reseolio; fi
`;
}

function zshValue(path: string, flag: string, options: readonly string[] | null): string {
  const names = FLAG_NAMES[flag];
  if (names !== undefined) return `live=(\${(f)"$(${names})"}); compadd -- $live`;
  if (flag === "--state") return `compadd -- ${statesOf(path)}`;
  return options === null ? "_files" : `compadd -- ${options.join(" ")}`;
}

function fish(steps: readonly Step[]): string {
  const lines = steps.flatMap((step) => fishLines(step));
  return `# fish completion for reseolio: reseolio completion fish > ~/.config/fish/completions/reseolio.fish
function __reseolio_path
    set -l words (commandline -opc)[2..-1]
    set -l path
    for word in $words
        string match -q -- '-*' $word; and break
        test (count $path) -ge 2; and break
        if test (count $path) -eq 1; and not contains -- "$path" ${groupPaths(steps)
          .filter((path) => path !== "")
          .join(" ")}
            break
        end
        set -a path $word
    end
    echo "$path"
end
function __reseolio_at
    test (__reseolio_path) = "$argv"
end
complete -c reseolio -f
${lines.join("\n")}
`;
}

function fishLines({ path, words, values, names }: Step): readonly string[] {
  const at = `complete -c reseolio -n ${quote(`__reseolio_at ${quote(path)}`)}`;
  const lines = words.map(({ word, summary }) => {
    const text = summary === "" ? "" : ` -d ${quote(oneLine(summary))}`;
    if (!word.startsWith("--")) return `${at} -a ${quote(word)}${text}`;
    return `${at} -l ${word.slice(2)}${fishValue(path, word, values)}${text}`;
  });
  return names === null ? lines : [...lines, `${at} -a ${quote(`(${names})`)}`];
}

function fishValue(path: string, flag: string, values: Step["values"]): string {
  const options = values[flag];
  if (options === undefined) return "";
  const names = FLAG_NAMES[flag];
  if (names !== undefined) return ` -x -a ${quote(`(${names})`)}`;
  if (flag === "--state") return ` -x -a ${quote(statesOf(path))}`;
  return options === null ? " -r -F" : ` -x -a ${quote(options.join(" "))}`;
}

function oneLine(text: string): string {
  return text.replaceAll("\n", " ");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
