package page

import (
	_ "embed"
	"io"

	"github.com/pgkeyless/pgkeyless/internal/status"
)

//go:embed style.css
var styleCSS string

//go:embed script.js
var scriptJS string

// Policy is the Content-Security-Policy of a page with this nonce. Nothing is loaded
// from anywhere but what the page itself holds; the script asks its own origin.
func Policy(nonce string) string {
	return "default-src 'none'; script-src 'nonce-" + nonce + "'; style-src 'nonce-" + nonce + "'; img-src data:; " +
		"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}

// Options are what a page depends on beside the document.
type Options struct {
	// Nonce allows the page's own style and script. It is new for each answer, and
	// of letters and digits alone.
	Nonce string
	// Token is what an action takes; empty makes a page that shows and does nothing.
	Token string
	// WrongToken says that the page was asked for with a token that is not, or no
	// longer, that of this run.
	WrongToken bool
	// Notice says how an action came out.
	Notice string
	// Part leaves out style, script and frame: what the script asks for.
	Part bool
}

// Write writes the page to w.
func Write(w io.Writer, d status.Document, o Options) error {
	v := newView(d, o)
	if o.Part {
		return live(v).Render(w)
	}
	return whole(v).Render(w)
}

// Refusal is what a page says to whom it does not serve: a title, and what to do.
type Refusal struct {
	Title string
	Text  []string // paragraphs; a command is between backquotes
}

// Paragraphs are Text with code apart.
func (r Refusal) Paragraphs() [][]words {
	var all [][]words
	for _, p := range r.Text {
		all = append(all, split(p))
	}
	return all
}

// WriteRefusal writes a page that says no.
func WriteRefusal(w io.Writer, r Refusal, nonce string) error {
	return refusal(r, nonce).Render(w)
}
