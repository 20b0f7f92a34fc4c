source ../harness/checks.bash

# run SETTINGS STATEMENT...: what isql prints of them
run() {
	local settings=$1 line
	shift
	for line; do echo "$line"; done |
		isql -b -v -d'|' -k "Driver={PostgreSQL Unicode};Server=$PGHOST;Port=$PGPORT;Database=$PGDATABASE;Uid=$PGUSER;$settings" 2>&1
}

connect() { equal "$(run '' 'select current_user')" app_user; }

write() {
	run '' 'create table things (id int primary key, name text)' "insert into things values (1, 'Ada'), (2, 'Grace')" "update things set name = 'Übergröße' where id = 2"
	equal "$(run '' 'select id, name from things order by id')" $'1|Ada\n2|Übergröße'
}

tables() { has "$(run '' help)" things; }

error() { has "$(run '' 'select 1/0' || true)" 'division by zero'; }

tls() { equal "$(run 'SSLmode=require' 'select 1')" 1; }

verify() { equal "$(PGHOST=localhost run 'SSLmode=verify-full' 'select 1')" 1; }

echo "version $(isql --version | sed 's/unixODBC //')"
check connect connect
check write write
check tables tables
check error error
check tls tls
check verify verify
