package prompt

import (
	"fmt"
	"log/slog"
	"os/exec"

	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// showPage prints the page's address and opens it in a browser, if there is one. Whatever
// --quiet says, somebody must act.
func (c Config) showPage(page credentials.SSOPage) {
	if c.Log != nil {
		c.Log.Error("SSO login needed: open the page and check that it shows the code",
			slog.String("profile", page.Profile), slog.String("url", page.URL), slog.String("code", page.Code))
	} else {
		fmt.Fprintf(c.Stderr, "pgkeyless: log in to AWS for profile %q: open %s\npgkeyless: and check that it shows the code %s\n",
			page.Profile, display.Line(page.URL), display.Line(page.Code))
	}
	openBrowser(page.URL)
}

// openBrowser starts the system's browser. It is a help that may fail: the page
// has been told.
func openBrowser(url string) {
	words := append(browserCommand(), url)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.SysProcAttr = apart() // Ctrl-C is for us
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }() // a browser may live longer than the run
	}
}
