package secrets

import (
	"context"
	"fmt"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// Users that log in with a password, by the method that the database asks with, and the
// password of them all. rig.CheckOutput looks for what is in it in all that is printed.
const (
	scramUser = "scram_user"
	md5User   = "md5_user"
	clearUser = "clear_user"
	master    = "postgres"

	first  = "first " + rig.SQLMarker
	second = "sécond " + rig.SQLMarker
)

// withUsers is the shared database, in which these users are new and have the first
// password. Tests that change it cannot run side by side.
func withUsers(t *testing.T) *pgserver.Server {
	t.Helper()
	db := rig.Shared.Database
	run(t, db,
		"drop role if exists "+scramUser+", "+md5User+", "+clearUser,
		"create role "+scramUser+" login", "create role "+md5User+" login", "create role "+clearUser+" login",
		"set password_encryption = 'md5'", alter(md5User, first),
		"set password_encryption = 'scram-sha-256'", alter(scramUser, first), alter(clearUser, first), alter(master, first))
	return db
}

func alter(user, password string) string {
	return fmt.Sprintf("alter role %s password '%s'", user, password)
}

// run runs statements as the superuser, on one connection.
func run(t *testing.T, db *pgserver.Server, statements ...string) {
	t.Helper()
	admin, err := db.AdminConn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	for _, sql := range statements {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// secretName is that of the secret in these tests.
const secretName = "orders/app"

// login is the text of a secret, as RDS writes it.
func login(user, password string) string {
	return fmt.Sprintf(`{"engine":"postgres","host":%q,"username":%q,"password":%q,"port":5432}`, lab.Host, user, password)
}

// put stores a login in the secret.
func put(e *awsemu.Emulator, user, password string) {
	e.PutSecret(awsemu.Secret{Name: secretName, Text: login(user, password)})
}

// with is a world at db whose target has the secret, with the password that is in it at first.
func with(t *testing.T, db *pgserver.Server, user, password string, options ...string) *rig.World {
	t.Helper()
	return rig.Start(t, rig.Setup{
		Database: db,
		Options:  append([]string{"user=" + user, "secret=" + secretName, rig.NoSpare}, options...),
		Faults:   func(e *awsemu.Emulator) { put(e, user, password) },
	})
}
