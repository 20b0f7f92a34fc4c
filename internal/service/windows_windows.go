package service

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// account is that of a fresh service: one with few rights. Another, such as yours, is
// chosen in services.msc, which asks for its password and lets it log on as a service.
const account = `NT AUTHORITY\LocalService`

// restartAfter is how long after a failure the service is started again.
const restartAfter = 5 * time.Second

// Windows manages a Windows service.
//
// Source: Microsoft, Service Control Manager; golang.org/x/sys/windows/svc/mgr.
type Windows struct{}

// Print is a command that makes the service.
func (Windows) Print(_ context.Context, u Unit) (string, error) {
	return fmt.Sprintf("sc.exe create %s start= auto obj= \"%s\" binPath= \"%s\"\n", Name, account,
		strings.ReplaceAll(commandLine(u), `"`, `\"`)), nil
}

// arguments are those of the binary.
func arguments(u Unit) []string {
	args := []string{"serve"}
	if u.Config != "" {
		args = append(args, "--config-file", u.Config)
	}
	return args
}

func commandLine(u Unit) string {
	words := []string{syscall.EscapeArg(u.Program)}
	for _, a := range arguments(u) {
		words = append(words, syscall.EscapeArg(a))
	}
	return strings.Join(words, " ")
}

// description tells that the service is ours.
const description = mark + " install`: private RDS PostgreSQL on localhost."

// Install makes the service, or changes the one that it has made before.
func (w Windows) Install(_ context.Context, u Unit) (next []string, err error) {
	err = connected(func(m *mgr.Mgr) error {
		s, err := open(m)
		if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
			s, err = m.CreateService(Name, u.Program, mgr.Config{
				StartType: mgr.StartAutomatic, ServiceStartName: account, DisplayName: Name, Description: description,
			}, arguments(u)...)
		} else if err == nil {
			err = change(s, u)
		}
		if err != nil {
			return err
		}
		defer s.Close()
		restart := mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: restartAfter}
		if err := s.SetRecoveryActions([]mgr.RecoveryAction{restart, restart, restart}, uint32((24 * time.Hour).Seconds())); err != nil {
			return err
		}
		return s.SetRecoveryActionsOnNonCrashFailures(true)
	})
	if err != nil {
		return nil, err
	}
	return []string{
		"installed the service " + Name + ", which starts with Windows",
		"choose your account, or the service cannot read your AWS profiles: services.msc, " + Name + ", Log On",
		"start it now:            pgkeyless service start",
		`read its log:            %LocalAppData%\pgkeyless\service.log, of that account`,
		"reload the config file:  sc.exe control " + Name + " paramchange",
	}, nil
}

// change gives the service another command line; its account stays.
func change(s *mgr.Service, u Unit) error {
	c, err := s.Config()
	if err != nil {
		return err
	}
	c.BinaryPathName = commandLine(u)
	return s.UpdateConfig(c)
}

// Uninstall stops the service and removes it.
func (w Windows) Uninstall(ctx context.Context) error {
	return withService(func(s *mgr.Service) error {
		if err := stop(ctx, s); err != nil {
			return err
		}
		return s.Delete()
	})
}

// Start starts the service. The service manager tells how that ends.
func (Windows) Start(context.Context) error {
	return withService(func(s *mgr.Service) error {
		err := s.Start()
		if errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
			return nil
		}
		return err
	})
}

// Stop stops the service and waits for its end.
func (Windows) Stop(ctx context.Context) error {
	return withService(func(s *mgr.Service) error { return stop(ctx, s) })
}

func stop(ctx context.Context, s *mgr.Service) error {
	_, err := s.Control(svc.Stop)
	if errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
		return nil
	}
	if err != nil {
		return err
	}
	again := time.NewTicker(200 * time.Millisecond) // there is no event for it
	defer again.Stop()
	for {
		now, err := s.Query()
		if err != nil || now.State == svc.Stopped {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

// withService does something to the service that pgkeyless has made.
func withService(do func(*mgr.Service) error) error {
	return connected(func(m *mgr.Mgr) error {
		s, err := open(m)
		if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
			return notInstalled()
		}
		if err != nil {
			return err
		}
		defer s.Close()
		return do(s)
	})
}

// open opens the service, which pgkeyless must have made.
func open(m *mgr.Mgr) (*mgr.Service, error) {
	s, err := m.OpenService(Name)
	if err != nil {
		return nil, err
	}
	c, err := s.Config()
	if err == nil && !strings.Contains(c.Description, mark) {
		err = causes.Misuse("the service "+Name+" was not made by pgkeyless", "remove it, then try again: sc.exe delete "+Name)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// connected does something with the service manager.
func connected(do func(*mgr.Mgr) error) error {
	m, err := mgr.Connect()
	if err == nil {
		defer m.Disconnect()
		err = do(m)
	}
	switch {
	case err == nil || causes.Hint(err) != "":
		return err
	case errors.Is(err, windows.ERROR_ACCESS_DENIED):
		return causes.MisuseOf(fmt.Errorf("the service manager: %w", err), "run it in a terminal that you open with “Run as administrator”")
	case errors.Is(err, windows.ERROR_SERVICE_LOGON_FAILED):
		return causes.MisuseOf(fmt.Errorf("the service manager: %w", err), "enter the account's password in services.msc, "+Name+", Log On")
	}
	return causes.MisuseOf(fmt.Errorf("the service manager: %w", err), "services.msc shows the service, and the Event Viewer what happened to it")
}
