package pluginrun

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// Config says what to forward, and as whom. All fields but SessionToken are
// required.
type Config struct {
	Binary   string // of Build
	Endpoint string // of the SSM API
	Region   string
	Target   string
	Host     string // the remote host
	Port     int

	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
}

// Plugin is a running session-manager-plugin.
type Plugin struct {
	SessionID string
	Address   string // where it listens: 127.0.0.1:port

	cmd    *exec.Cmd
	home   string
	exited chan struct{}
	err    error // of the process, once exited

	mu  sync.Mutex
	out bytes.Buffer
}

const document = "AWS-StartPortForwardingSessionToRemoteHost"

// opened is what the plugin prints when it listens.
var opened = regexp.MustCompile(`Port (\d+) opened for sessionId`)

// Start starts an SSM session and the plugin on it, and returns once the plugin
// listens. ctx bounds that, and kills the plugin when it ends; call Stop before.
func Start(ctx context.Context, cfg Config) (*Plugin, error) {
	input := &ssm.StartSessionInput{
		Target:       aws.String(cfg.Target),
		DocumentName: aws.String(document),
		Parameters: map[string][]string{
			"host": {cfg.Host}, "portNumber": {strconv.Itoa(cfg.Port)}, "localPortNumber": {"0"},
		},
	}
	client := ssm.New(ssm.Options{
		Region:       cfg.Region,
		BaseEndpoint: aws.String(cfg.Endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider(cfg.AccessKeyID, cfg.SecretAccessKey, cfg.SessionToken),
	})
	answer, err := client.StartSession(ctx, input)
	if err != nil {
		return nil, err
	}
	args, err := arguments(cfg, input, answer)
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "smp") // short: a Unix socket goes there
	if err != nil {
		return nil, err
	}
	p := &Plugin{SessionID: aws.ToString(answer.SessionId), home: home, exited: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, cfg.Binary, args...)
	p.cmd.Dir = home
	p.cmd.Env = environment(cfg, home)
	p.cmd.Stderr = lockedWriter{p}
	stdout, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the plugin: %w", err), os.RemoveAll(home))
	}
	port := make(chan string, 1)
	go p.watch(stdout, port)
	select {
	case n := <-port:
		p.Address = net.JoinHostPort("127.0.0.1", n)
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("the plugin ended before it listened: %w\n%s", p.err, p.Output())
	case <-ctx.Done():
		<-p.exited
		return nil, fmt.Errorf("waiting for the plugin to listen: %w\n%s", ctx.Err(), p.Output())
	}
}

// arguments are what the AWS CLI passes: the response, region, operation,
// profile, request and endpoint.
func arguments(cfg Config, input *ssm.StartSessionInput, answer *ssm.StartSessionOutput) ([]string, error) {
	response, err := json.Marshal(map[string]*string{
		"SessionId": answer.SessionId, "StreamUrl": answer.StreamUrl, "TokenValue": answer.TokenValue,
	})
	if err != nil {
		return nil, err
	}
	request, err := json.Marshal(map[string]any{
		"Target": input.Target, "DocumentName": input.DocumentName, "Parameters": input.Parameters,
	})
	if err != nil {
		return nil, err
	}
	return []string{string(response), cfg.Region, "StartSession", "", string(request), cfg.Endpoint}, nil
}

// environment is all that the plugin sees of the world.
func environment(cfg Config, home string) []string {
	env := []string{
		"HOME=" + home, "TMPDIR=" + home, "TMP=" + home, "USERPROFILE=" + home,
		"AWS_ACCESS_KEY_ID=" + cfg.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + cfg.SecretAccessKey,
		"AWS_REGION=" + cfg.Region,
		"AWS_ENDPOINT_URL_SSM=" + cfg.Endpoint,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + filepath.Join(home, "config"),
		"AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(home, "credentials"),
	}
	if cfg.SessionToken != "" {
		env = append(env, "AWS_SESSION_TOKEN="+cfg.SessionToken)
	}
	return env
}

// watch collects the output, tells the port it listens on, and waits for the
// process.
func (p *Plugin) watch(stdout io.Reader, port chan<- string) {
	defer close(p.exited)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		_, _ = lockedWriter{p}.Write([]byte(lines.Text() + "\n"))
		if m := opened.FindStringSubmatch(lines.Text()); m != nil {
			port <- m[1]
		}
	}
	p.err = p.cmd.Wait()
	_ = os.RemoveAll(p.home)
}

// Stop sends sig and waits for the process to end, or kills it when ctx ends
// first. The error is the process's, or ctx's.
func (p *Plugin) Stop(ctx context.Context, sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
		return p.err
	case <-ctx.Done():
		_ = p.cmd.Process.Kill()
		<-p.exited
		return ctx.Err()
	}
}

// Exited is closed when the process has ended.
func (p *Plugin) Exited() <-chan struct{} { return p.exited }

// Output is what the plugin has printed so far.
func (p *Plugin) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.TrimSpace(p.out.String())
}

type lockedWriter struct{ p *Plugin }

func (w lockedWriter) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	return w.p.out.Write(b)
}
