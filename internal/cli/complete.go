package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/sharedfiles"
	"github.com/pgkeyless/pgkeyless/internal/targets"
)

// completion is what cobra asks for the words at the cursor.
type completion = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective)

// completeTargets offers the targets of the config file, and those that running proxies
// serve.
func (a *app) completeTargets(_ *cobra.Command, given []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	names := config.Names(a.input(nil))
	for _, p := range running.Proxies() {
		for _, s := range p.Served {
			if !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(given, name) })
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeTarget is completeTargets for a command that takes one.
func (a *app) completeTarget(cmd *cobra.Command, given []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeTargets(cmd, given, word)
}

// completeOption offers values of o. nil leaves it to the shell, which offers files.
func completeOption(o config.Option) completion {
	if o.Path() || o.Name == "config-file" {
		return nil
	}
	switch o.Name {
	case "profile":
		return completeProfiles
	case "region":
		return completeRegions
	case "via":
		return cobra.FixedCompletions(o.Choices(), cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace)
	}
	return cobra.FixedCompletions(o.Choices(), cobra.ShellCompDirectiveNoFileComp)
}

func completeProfiles(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return sharedfiles.Read().Profiles(), cobra.ShellCompDirectiveNoFileComp
}

func completeRegions(_ *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	before := word[:strings.LastIndexByte(word, ',')+1] // of list, which takes several
	var all []string
	for _, region := range targets.Regions() {
		all = append(all, before+region)
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}
