// Command pgkeyless-demo shows pgkeyless at work without an AWS account: it
// starts emulated AWS and a real PostgreSQL that verifies IAM tokens, puts the
// real pgkeyless in front, and prints what to type.
//
// With --check it runs one query through the whole path, prints who it was
// logged in as and how, runs the commands doctor and policy against the same
// target, and exits 0 only if everything was as it should be.
//
// With --kind it shows another kind of AWS PostgreSQL than an RDS instance.
//
// With --record it runs a few commands and draws what they print: the README's
// pictures.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// startLimit is ample for initdb on a slow machine.
const startLimit = 2 * time.Minute

func main() {
	runtime.LockOSThread() // for endWithDemo
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("pgkeyless-demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	check := flags.Bool("check", false, "run one query through the whole path, doctor and policy, and exit")
	binary := flags.String("pgkeyless", defaultBinary(), "the pgkeyless `binary` to run")
	port := flags.Int("port", 0, "local `port`; 0 takes 5432 if that is free, else another")
	named := flags.String("kind", usualKind, "`kind` of database: "+kindNames())
	record := flags.String("record", "", "draw a recording into this `directory`, and exit")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 1
	}
	chosen, known := kinds[*named]
	if !known || chosen.instead != nil && *record != "" {
		fmt.Fprintf(stderr, "pgkeyless-demo: error: no kind of database %q, or none to record\npgkeyless-demo: hint: --kind takes %s\n", *named, kindNames())
		return 1
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "pgkeyless-demo: error: unexpected argument %q\npgkeyless-demo: hint: it takes flags only; --help lists them\n", flags.Arg(0))
		return 1
	}
	d := demo{binary: *binary, port: *port, kind: chosen, out: stdout, recorded: *record != ""}
	act := d.showAndWait
	switch {
	case *check:
		act = d.check
	case d.recorded:
		act = d.recordTo(*record)
		if d.port == 0 {
			d.port = postgresPort
		}
	default:
		d.echo = stderr
		if d.port == 0 && free(postgresPort) {
			d.port = postgresPort
		}
	}
	start := func() error { return d.run(ctx, act) }
	if chosen.instead != nil {
		start = func() error { return chosen.instead(ctx, d, *check) }
	}
	if err := start(); err != nil {
		fmt.Fprintln(stderr, "pgkeyless-demo: error:", err)
		return 1
	}
	return 0
}

// postgresPort is where clients look for PostgreSQL.
const postgresPort = 5432

// free reports whether nobody listens on the port of this machine.
func free(port int) bool {
	for _, host := range []string{"127.0.0.1", "::1"} {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(port)), time.Second)
		if err == nil {
			c.Close()
			return false
		}
	}
	return true
}

// defaultBinary is pgkeyless beside this program.
func defaultBinary() string {
	name := "pgkeyless"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	self, err := os.Executable()
	if err != nil {
		return name
	}
	return filepath.Join(filepath.Dir(self), name)
}

// demo is the three parts and where to print.
type demo struct {
	binary string
	port   int
	kind   kind
	out    io.Writer
	echo   io.Writer // gets what pgkeyless prints; may be nil

	recorded bool // pgkeyless is started as a recording shows it

	dir      string   // holds what a user's home would
	env      []string // of pgkeyless: the emulated account's keys and endpoint
	database *pgserver.Server
	behind   string // "host:port" where the endpoint leads
	caFile   string // with the CA of its certificate
	aws      *awsemu.Emulator
	proxy    *lab.Proxy
}

// run starts the parts, acts, and ends them: pgkeyless first, as a user would
// with Ctrl-C, so that it can end its SSM session.
func (d *demo) run(ctx context.Context, act func(context.Context) error) (err error) {
	dir, err := os.MkdirTemp("", "pgkeyless-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	starting, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	fmt.Fprintln(d.out, "starting PostgreSQL, emulated AWS and pgkeyless …")
	keys := lab.NewCredentials()
	if d.database, err = lab.StartDatabase(starting, keys, func(c *pgserver.Config) { c.Host = cmp.Or(d.kind.behind, d.kind.host) }); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.database.Close()) }()
	d.behind, d.caFile = d.database.Address(), d.database.CAFile()
	if d.kind.front != nil {
		var end func() error
		if d.behind, end, err = d.kind.front(starting, d, keys); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end()) }()
	}
	if d.aws, err = lab.StartAWS(keys, d.behind, func(c *awsemu.Config) { c.Hosts = map[string]string{d.kind.host + ":5432": d.behind} }); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.aws.Close()) }()
	d.populate()
	if err := d.settle(dir, keys); err != nil {
		return err
	}
	command := lab.Command{
		Binary: d.binary,
		Args: []string{"serve", "--config-file", filepath.Join(dir, configFile),
			"--port", fmt.Sprint(d.port), "--unix-socket", dir, "--status-page", "--http-port", "0"},
		Env:    d.env,
		Echo:   d.echo,
		Change: endWithDemo,
	}
	if d.recorded {
		command = d.recordedCommand(dir)
	}
	if d.proxy, err = lab.StartProxy(starting, command); err != nil {
		return err
	}
	return errors.Join(act(ctx), d.end())
}

// interrupted is pgkeyless's exit code after os.Interrupt.
const interrupted = 130

// end ends pgkeyless and asserts that it left nothing behind. One that has
// ended in another way had no chance to.
func (d *demo) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := d.proxy.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	code, err := d.proxy.Wait(ctx)
	if err != nil {
		d.proxy.Kill()
		return err
	}
	switch {
	case code < 0:
		return errors.New("pgkeyless was killed, and could not end its SSM session")
	case code != interrupted:
		return fmt.Errorf("pgkeyless ended by itself, with code %d", code)
	}
	if err := d.aws.Await(ctx, gateway.AllEnded); err != nil {
		return fmt.Errorf("pgkeyless left an SSM session open: %+v", d.aws.Sessions())
	}
	if broken := d.aws.Violations(); len(broken) > 0 {
		return fmt.Errorf("pgkeyless broke the tunnel's protocol: %q", broken)
	}
	return nil
}

// showAndWait prints what to type and waits for Ctrl-C.
func (d *demo) showAndWait(ctx context.Context) error {
	page, err := d.page(ctx)
	if err != nil {
		return err
	}
	fmt.Fprint(d.out, d.guide(page))
	select {
	case <-ctx.Done():
	case <-d.proxy.Exited(): // end tells how
	}
	return nil
}
