package credentials

import (
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// View is what is known of the credentials of one profile. No key is in it.
type View struct {
	Profile   string    // "" is the environment's choice
	Retrieved time.Time // the last success; zero: none yet
	Expires   time.Time // of those; zero: they do not say
	Account   string    // of those, where their provider says it
	Renewable bool      // others can be had when those end, or they do not end
	Failed    error     // of the last retrieval; Blamed finds it. nil when it succeeded
}

// Views returns what is known of each profile in use, by name. It asks nobody.
func (p *Profiles) Views() []View {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []View
	for _, name := range slices.Sorted(maps.Keys(p.loaded)) {
		v := View{Profile: name}
		if c, ok := p.loaded[name].Credentials.(*cache); ok && c.source != nil {
			if seen := c.source.view.Load(); seen != nil {
				v = *seen
			}
		}
		all = append(all, v)
	}
	return all
}

// note keeps how a retrieval came out. One that fails leaves what is known of the
// last credentials: they may serve for a while.
func (p *provider) note(creds aws.Credentials, err error, now time.Time) {
	v := View{Profile: p.profile}
	if before := p.view.Load(); before != nil {
		v = *before
	}
	v.Failed = err
	if err == nil {
		v = View{Profile: p.profile, Retrieved: now, Account: creds.AccountID, Renewable: creds.CanExpire || creds.SessionToken == ""}
		if creds.CanExpire {
			v.Expires = creds.Expires
		}
	}
	p.view.Store(&v)
}
