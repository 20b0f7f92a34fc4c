package service

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Name is that of the service: the unit is pgkeyless.service.
const Name = "pgkeyless"

// Label is the service's name for launchd.
const Label = "io.github.pgkeyless"

// mark is in each file that pgkeyless writes, and in no other.
const mark = "Made by `pgkeyless service"

const documentation = "https://github.com/pgkeyless/pgkeyless/blob/main/docs/service.md"

// Unit is what the text of a service is made from.
type Unit struct {
	Program string // the binary's path
	// Config is the config file's path. Empty is the one in the manager's own directory
	// for configuration, pgkeyless/config.yaml.
	Config string
	// Systemd is the version of systemd; 0 is a new one.
	Systemd int
	// Packaged says that a package brings the unit, which pgkeyless does not write.
	Packaged bool
	// System says that the unit is the machine's, and not a user's.
	System bool
	// Home is the user's home directory, for launchd.
	Home string
}

// notifyReload is the first version of systemd that knows Type=notify-reload.
//
// Source: systemd's NEWS, changes with v253.
const notifyReload = 253

// stopSeconds is how long a service may take to stop: the default of
// max-sigterm-delay, and time to end SSM sessions. systemd grants more when asked.
const stopSeconds = 45

// SystemdUnit is u for systemd. systemd's specifiers mean paths that depend on the
// user: %E is the directory for configuration.
//
// Source: systemd.service(5), systemd.unit(5), systemd.exec(5).
func SystemdUnit(u Unit) string {
	config := "%E/pgkeyless/config.yaml"
	if u.Config != "" {
		config = systemdWord(u.Config)
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	edit := "systemctl --user edit pgkeyless"
	if u.System {
		edit = "systemctl edit pgkeyless"
		line("# %s print --system`, for /etc/systemd/system/pgkeyless.service.", mark)
	} else if u.Packaged {
		line("# Start it, now and whenever you log in: systemctl --user enable --now pgkeyless")
	} else {
		line("# %s install`, which writes it anew.", mark)
	}
	line("# Put your own changes into a drop-in: %s", edit)
	line("")
	line("[Unit]")
	line("Description=pgkeyless: private RDS PostgreSQL on localhost")
	line("Documentation=%s", documentation)
	if u.System {
		line("Wants=network-online.target")
		line("After=network-online.target")
	}
	line("")
	line("[Service]")
	if u.Systemd == 0 || u.Systemd >= notifyReload {
		line("Type=notify-reload")
	} else {
		line("Type=notify")
		line("ExecReload=/bin/sh -c 'kill -HUP $MAINPID'") // a minimal Debian has no /bin/kill
	}
	line("ExecStart=%s serve --config-file %s", systemdWord(u.Program), config)
	line("# AWS_PROFILE=… and the like, a line each.")
	line("EnvironmentFile=-%%E/pgkeyless/environment")
	line("WatchdogSec=60s")
	line("Restart=on-failure")
	line("RestartSec=5s")
	line("# Ended by SIGTERM, as it should be.")
	line("SuccessExitStatus=143")
	line("TimeoutStopSec=%ds", stopSeconds)
	if u.System {
		b.WriteString(confinement)
	}
	line("")
	line("[Install]")
	if u.System {
		line("WantedBy=multi-user.target")
	} else {
		line("WantedBy=default.target")
	}
	return b.String()
}

// confinement is what a service of the machine needs no more than. A user's own needs
// more: its credential_process and its browser are the user's programs.
const confinement = `
# A user of its own, made by systemd, which may do nothing but serve.
DynamicUser=yes
LimitNOFILE=65536
RuntimeDirectory=pgkeyless
RuntimeDirectoryMode=0700
StateDirectory=pgkeyless
StateDirectoryMode=0700
CacheDirectory=pgkeyless
CacheDirectoryMode=0700
Environment=XDG_RUNTIME_DIR=%t XDG_STATE_HOME=%S XDG_CACHE_HOME=%C
CapabilityBoundingSet=
LockPersonality=yes
MemoryDenyWriteExecute=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077
`

// Socket is what the text of a socket unit is made from.
type Socket struct {
	Target    string
	Addresses []string // "host:port", with an IP address for a host
}

// SocketUnit is s for systemd, which opens the addresses and starts the service when
// the first client comes.
//
// Source: systemd.socket(5).
func SocketUnit(s Socket) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s print --socket %s`, for %s.socket.\n\n", mark, systemdText(s.Target), SocketName(s.Target))
	fmt.Fprintf(&b, "[Unit]\nDescription=pgkeyless: clients of %s\nDocumentation=%s\n\n[Socket]\n", systemdText(s.Target), documentation)
	for _, a := range s.Addresses {
		fmt.Fprintf(&b, "ListenStream=%s\n", systemdText(a))
	}
	fmt.Fprintf(&b, "# The target of the config file that is served there.\nFileDescriptorName=%s\nService=%s.service\n\n[Install]\nWantedBy=sockets.target\n",
		systemdText(s.Target), Name)
	return b.String()
}

// SocketName is a name for the socket unit of a target, without its end.
func SocketName(target string) string {
	return Name + "-" + regexp.MustCompile(`[^A-Za-z0-9_.-]`).ReplaceAllString(target, "_")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_/.:=@+,-]+$`)

// systemdWord is one word of a command line, whatever is in it.
//
// Source: systemd.service(5), Command lines.
func systemdWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "%", "%%", "$", "$$").Replace(s)
	return `"` + s + `"`
}

// systemdText is a value that is not split into words.
func systemdText(s string) string {
	return strings.NewReplacer("%", "%%", "\n", " ").Replace(s)
}

// LaunchAgent is u for launchd. Its paths are written out: launchd knows no others. They
// are those of macOS, whatever system writes them.
//
// Source: launchd.plist(5).
func LaunchAgent(u Unit) string {
	config := cmp.Or(u.Config, path.Join(u.Home, "Library", "Application Support", "pgkeyless", "config.yaml"))
	x := xmlText.Replace
	return `<?xml version="1.0" encoding="UTF-8"?>
<!-- ` + mark + " install`, which writes it anew." + ` -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>` + Label + `</string>
	<key>ProgramArguments</key>
	<array>
		<string>` + x(u.Program) + `</string>
		<string>serve</string>
		<string>--config-file</string>
		<string>` + x(config) + `</string>
	</array>
	<key>EnvironmentVariables</key>
	<dict>
		<key>PATH</key>
		<string>/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin</string>
	</dict>
	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>ThrottleInterval</key>
	<integer>10</integer>
	<key>ExitTimeOut</key>
	<integer>` + fmt.Sprint(stopSeconds) + `</integer>
	<key>StandardErrorPath</key>
	<string>` + x(launchdLog(u.Home)) + `</string>
</dict>
</plist>
`
}

// launchdLog is where an agent logs.
func launchdLog(home string) string {
	return path.Join(home, "Library", "Logs", "pgkeyless.log")
}

var xmlText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
