package auth_test

import (
	"context"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/auth"
)

// An endpoint as people type it becomes what a login needs: the name that the
// token is signed for and that the certificate must prove, and the password.
func Example() {
	endpoint, err := auth.ParseEndpoint("orders.c9akciq32abc.eu-central-1.rds.amazonaws.com")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(endpoint.Address(), endpoint.Region, endpoint.Kind)

	keys := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMIexample"}, nil
	})
	tokens, err := auth.NewTokens(auth.TokensConfig{Endpoint: endpoint, Credentials: keys})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := tokens.Token(context.Background(), "app_user")
	if err != nil {
		fmt.Println(err)
		return
	}
	signed, err := url.Parse("https://" + token.Reveal())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(signed.Host, signed.Query().Get("Action"), signed.Query().Get("DBUser"), signed.Query().Get("X-Amz-Expires"))

	roots, err := auth.NewRoots(auth.RootsConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("verified for", roots.TLSConfig(endpoint).ServerName)
	// Output:
	// orders.c9akciq32abc.eu-central-1.rds.amazonaws.com:5432 eu-central-1 instance
	// orders.c9akciq32abc.eu-central-1.rds.amazonaws.com:5432 connect app_user 900
	// verified for orders.c9akciq32abc.eu-central-1.rds.amazonaws.com
}
