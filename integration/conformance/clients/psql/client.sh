source ../harness/checks.bash

connect() { equal "$(sql 'select current_user')" app_user; }

meta_commands() {
	local out
	sql 'create table things (id int primary key, name text); create function twice(int) returns int language sql as $$ select $1 * 2 $$'
	out=$(psql -Xw -v ON_ERROR_STOP=1 2>&1 <<-'END'
		\d things
		\dt+
		\df twice
		\l
		\conninfo
		\c - - localhost
		\conninfo
	END
	) || true
	has "$out" '"things_pkey" PRIMARY KEY'
	has "$out" 'permanent'
	has "$out" 'twice'
	has "$out" "$PGDATABASE"
	has "$out" 'You are connected to database'
	has "$out" 'You are now connected to database'
}

copy() {
	seq 1 20000 >"$work/in"
	sql 'create table copied (id int)'
	sql "\\copy copied from '$work/in'"
	equal "$(sql 'select sum(id) from copied')" 200010000
	sql "\\copy (select id from copied order by id) to '$work/out'"
	cmp "$work/in" "$work/out"
}

gexec() {
	local out
	out=$(psql -XAtwq -v ON_ERROR_STOP=1 -v "name=O'Reilly" <<-'END'
		select format('create table made_%s (id int)', g) from generate_series(1, 3) g \gexec
		select count(*) = 3 as three from pg_class where relname like 'made\__' \gset
		\if :three
		select :'name' || ' has three';
		\endif
	END
	)
	equal "$out" "O'Reilly has three"
}

error() {
	local out status=0
	out=$(psql -Xw -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -c 'select 1/0' 2>&1) || status=$?
	equal $status 1
	has "$out" 'ERROR:  22012: division by zero'
	out=$(psql -XAtw -c 'select nonsense' -c 'select 1' 2>&1)
	has "$out" 'LINE 1: select nonsense'
	equal "${out##*$'\n'}" 1
}

large_result() {
	local query='select repeat(chr(97 + g % 26), 1000) from generate_series(1, 50000) g'
	sql "$query" >"$work/once"
	equal "$(wc -lc <"$work/once" | xargs)" '50000 50050000'
	psql -XAtwq -v FETCH_COUNT=1000 -c "$query" >"$work/pieces"
	cmp "$work/once" "$work/pieces"
}

listen() {
	has "$(psql -XAtw -c 'listen news' -c "notify news, 'read all about it'" -c 'select 1')" 'Asynchronous notification "news" with payload "read all about it"'
}

# psql in the background, SIGINT once its query runs.
cancel() {
	local out status=0 i
	bash -c 'trap - INT; exec psql -XAtw -v ON_ERROR_STOP=1 -c "select pg_sleep(60)"' >"$work/cancelled" 2>&1 &
	for ((i = 0; i < 300; i++)); do
		[[ $(sql "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'") == 0 ]] || break
	done
	kill -INT $!
	wait $! || status=$?
	has "$(cat "$work/cancelled")" 'canceling statement due to user request'
}

plain() {
	local out
	out=$(PGSSLMODE=disable psql -Xw -c '\conninfo')
	[[ $out != *SSL* ]] || { echo "$out"; exit 1; }
}

tls() { has "$(PGSSLMODE=require psql -Xw -c '\conninfo')" 'SSL connection (protocol: TLSv1.3'; }

# PGSSLROOTCERT is set as `pgkeyless exec` does.
verify() {
	local host
	for host in localhost 127.0.0.1; do has "$(PGHOST=$host PGSSLMODE=verify-full psql -Xw -c '\conninfo')" 'SSL connection (protocol: TLSv1.3'; done
}

socket() {
	local path port
	for path in "$SOCKET_DIRECTORY"/.s.PGSQL.*; do
		port=${path##*.}
		equal "$(PGHOST=$SOCKET_DIRECTORY PGPORT=$port sql 'select current_user')" app_user
	done
}

# a list, a name that must be quoted and a space that must be escaped: as PostgreSQL reads options
search_path() {
	sql 'create schema "Odd one"; create table "Odd one".found as select 42 as it; create schema other'
	equal "$(PGOPTIONS='-c search_path=other,\ "Odd\ one" --statement-timeout=1234' sql "select it || current_setting('statement_timeout') from found")" 421234ms
}

version psql
check connect connect
check meta-commands meta_commands
check copy copy
check gexec gexec
check error error
check large-result large_result
check listen listen
check cancel cancel
check plain plain
check tls tls
check verify verify
check socket socket
check search-path search_path
