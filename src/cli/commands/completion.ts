import { defineCommand } from "../command.ts";
import { usageError } from "../exit.ts";
import { completionScript, isShell, SHELLS } from "../help/completion-script.ts";

export const completion = defineCommand({
  meta: {
    name: "completion",
    description: "Print a script that completes commands, flags and the names of functions and schedules.",
  },
  args: {},
  operands: [{ name: "SHELL", description: "bash, zsh or fish", required: true }],
  examples: [
    {
      command: "source <(reseolio completion bash)",
      does: "bash, for this shell only; add it to ~/.bashrc to keep it",
    },
    { command: `reseolio completion zsh > "\${fpath[1]}/_reseolio"`, does: "zsh, permanently" },
    { command: "reseolio completion fish > ~/.config/fish/completions/reseolio.fish", does: "fish, permanently" },
  ],
  notes: ["The script asks the daemon for names and waits at most 0.2 s; without a daemon it completes none."],
  async run({ operands, output, table }) {
    const shell = operands[0] ?? "";
    if (!isShell(shell))
      throw usageError(`unknown shell ${JSON.stringify(shell)}`, `valid values: ${SHELLS.join(", ")}`);
    await output.text(await completionScript(shell, table));
  },
});
