// Package apitest stands in for AWS's services in the tests of their clients.
package apitest

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Server answers calls, each with the next of its answers, and notes them. A call that has
// no answer gets HTTP 400. It is for one goroutine.
type Server struct {
	Answers []Answer
	Calls   []Call
}

// Answer is what a call gets. Status 0 is 200.
type Answer struct {
	Status  int
	Content string
}

// Call is a request that was made.
type Call struct {
	URL    string
	Header http.Header
	Body   string
}

// Answering makes a Server whose answers have these contents.
func Answering(contents ...string) *Server {
	s := &Server{}
	for _, content := range contents {
		s.Answers = append(s.Answers, Answer{Content: content})
	}
	return s
}

// Config is a configuration for region, with keys, that leads to s.
func (s *Server) Config(region string) aws.Config {
	keys := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
	})
	return aws.Config{Region: region, Credentials: keys, HTTPClient: s}
}

// Do implements [aws.HTTPClient].
func (s *Server) Do(r *http.Request) (*http.Response, error) {
	call := Call{URL: r.URL.String(), Header: r.Header}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		call.Body = string(body)
	}
	s.Calls = append(s.Calls, call)
	next := Answer{Status: http.StatusBadRequest}
	if len(s.Calls) <= len(s.Answers) {
		next = s.Answers[len(s.Calls)-1]
	}
	if next.Status == 0 {
		next.Status = http.StatusOK
	}
	return &http.Response{
		StatusCode: next.Status, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(next.Content)), ContentLength: int64(len(next.Content)),
	}, nil
}

// Failing is an HTTP client that gets no answer.
type Failing struct {
	Err   error
	Calls int
}

// Do implements [aws.HTTPClient].
func (f *Failing) Do(*http.Request) (*http.Response, error) {
	f.Calls++
	return nil, f.Err
}
