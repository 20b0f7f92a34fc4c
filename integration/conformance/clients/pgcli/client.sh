source ../harness/checks.bash

# run LINE...: what pgcli prints of them
run() {
	local line
	for line; do echo "$line"; done | TERM=dumb pgcli --no-password --less-chatty 2>&1
}

connect() { has "$(run "select current_user || ' is here' as who;")" 'app_user is here'; }

meta_commands() {
	local out
	sql 'create table things (id int primary key, name text)'
	out=$(run '\dt' '\d things' '\l')
	has "$out" '| public | things | table | app_user |'
	has "$out" '"things_pkey" PRIMARY KEY'
	has "$out" "$PGDATABASE"
}

error() { has "$(run 'select 1/0;')" 'division by zero'; }

tls() { has "$(PGSSLMODE=require run "select 'TLS is ' || ssl as tls from pg_stat_ssl where pid = pg_backend_pid();")" 'TLS is true'; }

verify() { has "$(PGHOST=localhost PGSSLMODE=verify-full run "select current_user || ' is here' as who;")" 'app_user is here'; }

echo "version $(pgcli --version | sed 's/Version: //')"
check connect connect
check meta-commands meta_commands
check error error
check tls tls
check verify verify
