package proxy

import (
	"fmt"
	"slices"
)

// httpMethods are how HTTP requests begin. As lengths of a packet they are all
// far over maxStartup.
var httpMethods = []string{"GET ", "HEAD", "POST", "PUT ", "DELE", "CONN", "OPTI", "TRAC", "PATC", "PRI "}

// errHTTP is a browser, or something that takes the port for a web server's.
var errHTTP error = webBrowser.New(nil, nil)

// httpAnswer is for people who look at the port with a browser, which would show
// an ErrorResponse as a broken page. It repeats nothing of the request, and lets
// no other site's script read it. hint is a line that says where to look instead;
// it may be empty.
func httpAnswer(hint string) []byte {
	text := "This port speaks the PostgreSQL protocol: connect with psql or another PostgreSQL client.\n"
	if hint != "" {
		text += hint + "\n"
	}
	return fmt.Appendf(nil, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"X-Content-Type-Options: nosniff\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
}

func isHTTP(head []byte) bool { return slices.Contains(httpMethods, string(head)) }
