source ../harness/checks.bash

there() { echo "postgresql://$PGUSER@$PGHOST:$PGPORT/$PGDATABASE$1"; }

csv() {
	local i
	for ((i = 1; i <= 20000; i++)); do echo "$i,Name $i ü"; done >"$work/in.csv"
	sql 'create table loaded (id int, name text)'
	pgloader --type csv --field id --field name "$work/in.csv" "$(there '?tablename=loaded')"
	equal "$(sql 'select count(*), sum(id) from loaded')" '20000|200010000'
}

# A whole database: tables, keys, data.
sqlite() {
	sqlite3 "$work/in.db" "create table people (id integer primary key, name text); insert into people values (1, 'Ada'), (2, 'Grace')"
	pgloader "$work/in.db" "$(there '')"
	equal "$(sql 'select name from people where id = 2')" Grace
}

# With TLS it verifies, by OpenSSL's own roots, whatever its options.
verify() {
	sql 'create table through_tls (id int)'
	echo 1 >"$work/one.csv"
	SSL_CERT_FILE=$PGSSLROOTCERT pgloader --type csv --field id "$work/one.csv" "$(PGHOST=localhost there '?sslmode=require&tablename=through_tls')"
	equal "$(sql 'select id from through_tls')" 1
}

echo "version $(pgloader --version | sed -n 's/pgloader version "\(.*\)"/\1/p')"
check csv csv
check sqlite sqlite
check verify verify
