import { defineCommand } from "../command.ts";
import { usageError } from "../exit.ts";
import { completionScript, isShell, SHELLS } from "../help/completion-script.ts";

export const completion = defineCommand({
  meta: { name: "completion", description: "Print a script that completes commands, flags and live function names." },
  args: {},
  operands: [{ name: "SHELL", description: "bash, zsh or fish", required: true }],
  examples: [
    { command: "source <(reseolio completion bash)", does: "bash, for this shell; put it into ~/.bashrc to keep it" },
    { command: `reseolio completion zsh > "\${fpath[1]}/_reseolio"`, does: "zsh, for good" },
    { command: "reseolio completion fish > ~/.config/fish/completions/reseolio.fish", does: "fish, for good" },
  ],
  notes: ["Function names are asked of the daemon, for at most 0.2 s; without one there are none."],
  async run({ operands, output, table }) {
    const shell = operands[0] ?? "";
    if (!isShell(shell))
      throw usageError(`there is no completion for ${JSON.stringify(shell)}`, `give one of: ${SHELLS.join(", ")}`);
    await output.text(await completionScript(shell, table));
  },
});
