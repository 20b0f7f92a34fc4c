package cli

import (
	"fmt"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

// loadServed reads the settings of one target, which may be served already, or lack a
// way to its database.
func (a *app) loadServed(args []string) (config.Target, config.Run, error) {
	return onlyTarget(config.LoadServed(a.input(args)))
}

func onlyTarget(cfg config.Config, err error) (config.Target, config.Run, error) {
	if err != nil {
		return config.Target{}, config.Run{}, err
	}
	if len(cfg.Targets) > 1 {
		return config.Target{}, config.Run{}, causes.Misuse(fmt.Sprintf("%d targets given, but the command takes one", len(cfg.Targets)), "name one target")
	}
	return cfg.Targets[0], cfg.Run, nil
}
