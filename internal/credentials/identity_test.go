package credentials

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	static "github.com/aws/aws-sdk-go-v2/credentials"
)

func TestWhoAmITellsTheClockOfARefusalToo(t *testing.T) {
	const answer = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
		`<Arn>arn:aws:iam::111122223333:user/ada</Arn><UserId>AIDA</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`
	for status, offset := range map[int]time.Duration{200: 3 * time.Minute, 403: -20 * time.Minute} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(-offset).UTC().Format(http.TimeFormat))
			w.WriteHeader(status)
			fmt.Fprint(w, answer)
		}))
		began := time.Now()
		who, clock, err := WhoAmI(t.Context(), aws.Config{
			Region: "eu-central-1", BaseEndpoint: &srv.URL, RetryMaxAttempts: 1,
			Credentials: static.NewStaticCredentialsProvider("AKIA", "secret", ""),
		})
		took := time.Since(began)
		srv.Close()
		if (err == nil) != (status == 200) || err == nil && who != (Caller{"arn:aws:iam::111122223333:user/ada", "111122223333", "AIDA"}) {
			t.Errorf("status %d: %+v, %v", status, who, err)
		}
		if !clock.Known || (clock.Ahead-offset).Abs() > 2*time.Second+took {
			t.Errorf("status %d: clock %+v, want %v ahead", status, clock, offset)
		}
	}
}
