package main

import (
	"bytes"
	"fmt"
	"html"
	"strings"
	"unicode/utf8"
)

// scene is a command and what it printed.
type scene struct{ line, output string }

// theme is a terminal's colours.
type theme struct{ back, frame, text, prompt, quiet string }

var themes = map[string]theme{
	"light": {back: "#ffffff", frame: "#d0d7de", text: "#1f2328", prompt: "#1a7f37", quiet: "#57606a"},
	"dark":  {back: "#0d1117", frame: "#30363d", text: "#e6edf3", prompt: "#3fb950", quiet: "#9198a1"},
}

// How a terminal looks, in pixels, and how fast it goes, in seconds.
const (
	columns   = 100
	charWidth = 8.4
	lineTall  = 20
	margin    = 18
	titleTall = 34

	typing = 0.9 // a command appears
	answer = 0.7 // until its output does
	rest   = 1.6 // until the next command
)

// draw makes an SVG of a terminal in which scenes appear one after the other, and
// stay. Where motion is not wanted, or not possible, they are all there at once.
func draw(scenes []scene, t theme) []byte {
	var body bytes.Buffer
	y, at := titleTall+margin, 0.4
	print := func(begin float64, class, text string) {
		fmt.Fprintf(&body, `<text x="%d" y="%d" class="%s" style="animation-delay:%.1fs" xml:space="preserve">%s</text>`+"\n", margin, y, class, begin, text)
		y += lineTall
	}
	for i, s := range scenes {
		if i > 0 {
			y += lineTall / 2
		}
		print(at, "line", `<tspan class="prompt">$ </tspan>`+html.EscapeString(s.line))
		at += typing + answer
		for _, line := range wrapped(s.output) {
			print(at, "line quiet", html.EscapeString(line))
		}
		at += rest
	}
	width, height := int(columns*charWidth)+2*margin, y+margin-lineTall/2
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d" role="img">
<title>pgkeyless in a terminal</title>
<style>
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:%[3]s}
.quiet{fill:%[4]s}
.prompt{fill:%[5]s;font-weight:bold}
@media (prefers-reduced-motion:no-preference){.line{opacity:0;animation:show .2s forwards}}
@keyframes show{to{opacity:1}}
</style>
<rect x=".5" y=".5" width="%[6]d" height="%[7]d" rx="8" fill="%[8]s" stroke="%[9]s"/>
`, width, height, t.text, t.quiet, t.prompt, width-1, height-1, t.back, t.frame)
	for i, colour := range []string{"#ff5f57", "#febc2e", "#28c840"} {
		fmt.Fprintf(&out, `<circle cx="%d" cy="18" r="6" fill="%s"/>`+"\n", margin+6+20*i, colour)
	}
	out.Write(body.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// wrapped are the lines of text, those that are too long divided at spaces.
func wrapped(text string) []string {
	var lines []string
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		for utf8.RuneCountInString(line) > columns {
			runes := []rune(line)
			cut := strings.LastIndex(string(runes[:columns]), " ")
			if cut <= 0 {
				cut = len(string(runes[:columns]))
			}
			lines = append(lines, line[:cut])
			line = strings.TrimPrefix(line[cut:], " ")
		}
		lines = append(lines, line)
	}
	return lines
}
