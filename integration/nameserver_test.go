//go:build linux

package integration

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// startNameServer answers for names that are CNAMEs of others, which have an
// address, and says of every other name that it does not exist. It returns how
// to let a command ask it: resolv.conf knows no port but 53.
func startNameServer(t *testing.T, aliases map[string]string) func(*exec.Cmd) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a name server on port 53, and a resolv.conf of its own, take root")
	}
	c, err := net.ListenPacket("udp4", "127.0.0.77:53")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		packet := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(packet)
			if err != nil {
				return
			}
			if answer, err := answerName(packet[:n], aliases); err == nil {
				c.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-served
	})
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver 127.0.0.77\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return func(cmd *exec.Cmd) {
		const script = `mount --bind "$0" /etc/resolv.conf && exec "$@"`
		cmd.Args = append([]string{"unshare", "--mount", "sh", "-c", script, conf, cmd.Path}, cmd.Args[1:]...)
		cmd.Path, cmd.Err = exec.LookPath("unshare")
	}
}

func answerName(packet []byte, aliases map[string]string) ([]byte, error) {
	var question dnsmessage.Message
	if err := question.Unpack(packet); err != nil {
		return nil, err
	}
	answer := dnsmessage.Message{Header: dnsmessage.Header{ID: question.ID, Response: true, RecursionAvailable: true}, Questions: question.Questions}
	asked := question.Questions[0]
	head := dnsmessage.ResourceHeader{Name: asked.Name, Class: dnsmessage.ClassINET}
	for {
		to, ok := aliases[strings.TrimSuffix(head.Name.String(), ".")]
		if !ok {
			break
		}
		name, err := dnsmessage.NewName(to + ".")
		if err != nil {
			return nil, err
		}
		answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.CNAMEResource{CNAME: name}})
		head.Name = name
	}
	switch {
	case len(answer.Answers) == 0:
		answer.RCode = dnsmessage.RCodeNameError
	case asked.Type == dnsmessage.TypeA:
		answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: [4]byte{10, 0, 0, 9}}})
	}
	return answer.Pack()
}
