package checkup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/agentversion"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
)

// jumpHost looks for one that is online, with an agent that can forward.
func (c *Checkup) jumpHost(ctx context.Context) {
	c.walk.Begin(doctor.JumpHost)
	if why := c.direct(); why != "" {
		c.walk.LeaveOut(why)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := c.way(); err != nil {
		c.fail(err, c.jumpHostsThere(ctx)...)
		return
	}
	hosts, err := c.finder.JumpHosts(ctx, c.target.Via)
	switch {
	case errors.Is(err, discover.ErrDenied) && !discover.Several(c.target.Via):
		c.walk.Skip(mayNotAsk(err))
		return
	case err != nil:
		c.fail(err)
		return
	}
	if _, err := c.finder.OnlineTargets(ctx, c.target.Via); err != nil {
		c.fail(err)
		return
	}
	c.host = hosts[0] // those online come first
	text := c.host.Target + " is online"
	if c.host.Agent != "" {
		text += ", agent " + c.host.Agent
	}
	if n := len(hosts) - 1; n > 0 {
		text += fmt.Sprintf("; %d more", n)
	}
	update := fmt.Sprintf("update the SSM agent there: `aws ssm send-command --document-name AWS-UpdateSSMAgent --targets Key=InstanceIds,Values=%s --region %s`",
		c.host.Target, c.login.Endpoint.Region)
	switch {
	case agentversion.After(agentversion.Forwards, c.host.Agent):
		c.walk.Fail(doctor.Result{Text: fmt.Sprintf("the agent on %s, %s, is too old to forward to another host", c.host.Target, c.host.Agent), Fix: update, State: "08001"})
	case agentversion.After(agentversion.Supported, c.host.Agent):
		c.walk.Warn(text, update)
	default:
		c.walk.OK(text)
	}
}

// jumpHostsThere is a note of those that the user could name; none where there is none,
// or nobody may ask.
func (c *Checkup) jumpHostsThere(ctx context.Context) []string {
	const most = 5
	hosts, _ := c.finder.AllJumpHosts(ctx) // those that may be seen will do
	var online []string
	for _, h := range hosts {
		if h.Online {
			online = append(online, strings.TrimSpace(h.Target+" "+h.Name))
		}
	}
	switch n := len(online); {
	case n == 0:
		return nil
	case n > most:
		online = append(online[:most], fmt.Sprintf("%d more", n-most))
	}
	return []string{"online in " + c.login.Endpoint.Region + ": " + strings.Join(online, ", ")}
}
