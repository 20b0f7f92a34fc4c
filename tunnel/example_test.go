package tunnel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/tunnel"
)

// A Dialer takes the place of a net.Dialer. Its first dial to an address starts an
// SSM session, the next ones share it.
func Example() {
	service := newService() // of this example: Systems Manager in memory, with an agent whose targets echo
	defer service.Close()
	dialer, err := tunnel.New(tunnel.Config{
		API:         service, // otherwise tunnel.NewAPI(cfg)
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		Region:      "eu-west-1",
		Target:      "i-0123456789abcdef0",

		// What an emulator needs, and AWS does not.
		EndpointOverride: "http://127.0.0.1:9",
		HTTPClient:       &http.Client{Transport: &http.Transport{DialContext: service.DialContext}},

		NoKeepAlive: true, // also: no session for those to come
		Trace: func(p tunnel.Progress) {
			if p.Stage == tunnel.StageHandshake {
				fmt.Println("ready on", p.JumpHost, "with agent", p.Agent)
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	for _, query := range []string{"select 1", "select 2"} {
		conn, err := dialer.DialContext(ctx, "tcp", "orders.internal:5432")
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Fprint(conn, query)
		answer := make([]byte, len(query))
		_, err = io.ReadFull(conn, answer)
		fmt.Printf("%s, %v\n", answer, err)
		conn.Close()
	}
	for _, s := range dialer.Snapshot() {
		fmt.Println(s.Address, s.State, s.BytesOut, s.BytesIn)
	}
	fmt.Println("close:", dialer.Close(ctx))

	// Output:
	// ready on i-0123456789abcdef0 with agent 3.3.987.0
	// select 1, <nil>
	// select 2, <nil>
	// orders.internal:5432 ready 16 16
	// close: <nil>
}

// Errors say what to do, for a person at a terminal or a client of PostgreSQL.
func ExampleDialer_DialContext_errors() {
	service := newService()
	defer service.Close()
	service.refuse = &smithy.GenericAPIError{Code: "TargetNotConnected", Message: "i-0123456789abcdef0 is not connected."}
	dialer, err := tunnel.New(tunnel.Config{
		API:         service,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		Region:      "eu-west-1",
		Target:      "i-0123456789abcdef0",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dialer.Close(context.Background())
	_, err = dialer.DialContext(context.Background(), "tcp", "orders.internal:5432")
	fmt.Println(err)
	var words interface {
		error
		SQLState() string
		Detail() string
		Hint() string
		Cause() string
	}
	if errors.As(err, &words) {
		fmt.Println(words.SQLState(), words.Cause())
		fmt.Println(words.Detail())
	}

	// Output:
	// starting SSM session on i-0123456789abcdef0: the SSM agent there is not connected
	// 08001 target-not-connected
	// ssm:StartSession, jump host i-0123456789abcdef0 in eu-west-1, endpoint orders.internal:5432
}

// Direct has the same method and the same kind of errors for a database in reach.
func ExampleDirect() {
	var dialer tunnel.Direct
	_, err := dialer.DialContext(context.Background(), "tcp", "orders.invalid")
	fmt.Println(err)

	// Output:
	// cannot connect to orders.invalid: dial tcp: address orders.invalid: missing port in address
}
