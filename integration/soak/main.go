package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak: error:", err)
		os.Exit(1)
	}
}

// settle is how long pgkeyless is left alone before its resources are looked at.
const settle = 3 * time.Second

// run soaks for the duration asked for. An error is what was found wrong.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	binary := flags.String("pgkeyless", "bin/pgkeyless", "the binary, built with -race")
	duration := flags.Duration("duration", 2*time.Minute, "how long faults and load go on")
	clients := flags.Int("clients", 6, "how many clients work at once")
	seed := flags.Uint64("seed", 0, "of faults and load; 0: a random one")
	verbose := flags.Bool("verbose", false, "print every fault as it happens, and every error")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for *seed == 0 {
		*seed = rand.Uint64() >> 32
	}
	fmt.Fprintf(out, "soak for %v with %d clients, seed %d\n", *duration, *clients, *seed)

	keys := lab.NewCredentials()
	database, err := lab.StartDatabase(ctx, keys, nil)
	if err != nil {
		return err
	}
	defer database.Close()
	aws, err := lab.StartAWS(keys, database.Address(), func(c *awsemu.Config) {
		c.AckWithin = 15 * time.Second // a starved machine is not the client's fault
		c.HandshakeLimit = 5 * time.Second
		c.CheckDigests = true
	})
	if err != nil {
		return err
	}
	defer aws.Close()
	dir, err := os.MkdirTemp("", "pgk-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	proxy, err := lab.StartProxy(ctx, lab.Command{
		Binary: *binary,
		Args:   []string{"serve", lab.TargetArg(database.CAFile()), "--port", "0", "--unix-socket", dir},
		Env:    append(keys.Env(aws.URL()), "HOME="+dir),
	})
	if err != nil {
		return err
	}
	defer proxy.Kill()

	s := newSummary(out, *verbose)
	l := load{address: proxy.Addresses()[0], log: s}
	if err := l.warmUp(ctx, *clients); err != nil {
		return err
	}
	pause(ctx, settle)
	s.before(usageOf(proxy))

	soaking, stop := context.WithTimeout(ctx, *duration)
	defer stop()
	go func() {
		select {
		case <-proxy.Exited():
			stop()
		case <-soaking.Done():
		}
	}()
	var all sync.WaitGroup
	all.Go(func() { injectFaults(soaking, aws, s, rand.New(rand.NewPCG(*seed, 0))) })
	for i := range *clients {
		all.Go(func() { l.work(ctx, soaking, rand.New(rand.NewPCG(*seed, uint64(i+1)))) })
	}
	all.Go(func() { s.watch(soaking, proxy) })
	all.Wait()
	s.ended = time.Now()

	pause(ctx, s.aftermath())
	if err := l.warmUp(ctx, *clients); err != nil { // everything works again
		s.wrong("after the last fault: %v", err)
	}
	pause(ctx, settle)
	s.after(usageOf(proxy))
	s.stop(proxy, aws)
	s.secrets(proxy.Output(), keys)
	s.print(aws.Sessions())
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return s.verdict(proxy.Output())
}

// pause waits for d, or ctx's end.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// lastLines are the end of a long text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
