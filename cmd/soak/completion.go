package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// completions write the scripts for each shell.
var completions = map[string]func(root *cobra.Command, to io.Writer) error{
	"bash": func(root *cobra.Command, to io.Writer) error {
		return root.GenBashCompletionV2(to, true)
	},
	"fish": func(root *cobra.Command, to io.Writer) error {
		return root.GenFishCompletion(to, true)
	},
	"powershell": (*cobra.Command).GenPowerShellCompletionWithDesc,
	"zsh":        (*cobra.Command).GenZshCompletion,
}

func completionCommand(root *cobra.Command) *cobra.Command {
	shells := slices.Sorted(maps.Keys(completions))
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print completion for a shell: " + strings.Join(shells, ", "),
		Long: paragraphs("Print a script by which a shell completes commands, flags, profiles, "+
			"scenarios and settings.") + "\n\n" + listed(func(add func(name, says string)) {
			add("bash", "source <(soak completion bash), with the package bash-completion")
			add("fish", "soak completion fish | source")
			add("powershell", "soak completion powershell | Out-String | Invoke-Expression")
			add("zsh", "source <(soak completion zsh), after compinit")
		}),
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || completions[args[0]] == nil {
				return fmt.Errorf("completion %q: want one of the shells %s", strings.Join(args, " "),
					strings.Join(shells, ", "))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return completions[args[0]](root, c.OutOrStdout())
		},
	}
}
