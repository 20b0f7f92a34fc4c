package awsapi

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strconv"
)

// errNotXML says no more of what came, which may be anything.
var errNotXML = errors.New("the answer is not the XML that was asked for")

// Query calls an operation of a service that speaks AWS Query. It sends form and decodes
// the answer's XML to out.
func (c *Client) Query(ctx context.Context, operation string, form url.Values, out any) error {
	sent := url.Values{"Action": {operation}, "Version": {c.service.Version}}
	for name, values := range form {
		if len(values) > 0 && values[0] != "" {
			sent[name] = values
		}
	}
	return c.do(ctx, call{
		operation: operation, method: http.MethodPost, url: url.URL{Path: "/"}, body: []byte(sent.Encode()),
		header:  http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		refused: refusedXML,
		decode: func(content []byte) error {
			if !answers(content, operation) || xml.Unmarshal(content, out) != nil {
				return errNotXML
			}
			return nil
		},
	})
}

// answers reports whether content is the answer to operation, by its outer elements: a page
// of something in between may be XML, too.
//
// Source: Smithy, AWS Query protocol, "Response serialization".
func answers(content []byte, operation string) bool {
	in := xml.NewDecoder(bytes.NewReader(content))
	for _, want := range []string{operation + "Response", operation + "Result"} {
		for {
			token, err := in.Token()
			if err != nil {
				return false
			}
			if element, ok := token.(xml.StartElement); ok {
				if element.Name.Local != want {
					return false
				}
				break
			}
		}
	}
	return true
}

// AddMembers adds the members of a list called name to form.
func AddMembers(form url.Values, name string, members ...string) {
	for i, member := range members {
		form.Set(name+".member."+strconv.Itoa(i+1), member)
	}
}

// refusedXML is the error of an answer.
//
// Source: Smithy, AWS Query protocol, "Operation error serialization".
func refusedXML(a answer) error {
	var said struct {
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}
	if xml.Unmarshal(a.content, &said) != nil { // it is from something in between
		return refusal(a, "", "")
	}
	return refusal(a, said.Code, said.Message)
}
