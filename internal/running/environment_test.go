package running

import (
	"slices"
	"strings"
	"testing"
)

func TestChildIsLedToThePlaceAlone(t *testing.T) {
	environ := []string{"PATH=/bin", "PGHOST=elsewhere", "PGSSLCERTMODE=require", "PGSSLCRL=/none", "PGSSLCRLDIR=/none", "PGTARGETSESSIONATTRS=standby", "PGSSLMINPROTOCOLVERSION=TLSv1.3", "PGREQUIREPEER=postgres", "PGHOSTADDR=192.0.2.1", "PGSERVICE=x", "PGPASSWORD=secret", "PGSSLMODE=verify-full", "PGUSER=ada", "PGOPTIONS=-c x=y", "DATABASE_URL=old"}
	for _, tt := range []struct {
		place Place
		want  []string
	}{
		{Place{"127.0.0.1", 6000, "", ""}, []string{"PGUSER=ada", "PGHOST=127.0.0.1", "PGPORT=6000", "DATABASE_URL=postgresql://ada@127.0.0.1:6000/"}},
		{Place{"::1", 6000, "app", "shop"}, []string{"PGHOST=::1", "PGPORT=6000", "PGUSER=app", "PGDATABASE=shop", "DATABASE_URL=postgresql://app@[::1]:6000/shop"}},
		{Place{"/tmp/x", 5432, "app", ""}, []string{"PGHOST=/tmp/x", "PGPORT=5432", "PGUSER=app", "DATABASE_URL=postgresql://app@/?host=%2Ftmp%2Fx&port=5432"}},
	} {
		got := ChildEnvironment(environ, tt.place)
		for _, want := range append(tt.want, "PATH=/bin", "PGOPTIONS=-c x=y") {
			if !slices.Contains(got, want) {
				t.Errorf("%+v: %q lacks %s", tt.place, got, want)
			}
		}
		for _, entry := range got {
			if name, value, _ := strings.Cut(entry, "="); slices.Contains(environ, entry) && slices.Contains(LibpqVariables, name) || value == "" {
				t.Errorf("%+v: %s is still there", tt.place, entry)
			}
		}
	}
}
