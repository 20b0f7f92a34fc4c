source ../harness/checks.bash

there() { echo "PG:host=$PGHOST port=$PGPORT user=$PGUSER dbname=$PGDATABASE $*"; }

# places is a file of 2,000 points.
places() {
	local i
	echo 'id,name,x,y'
	for ((i = 1; i <= 2000; i++)); do echo "$i,Ort $i ü,$((i % 180)),$((i % 90))"; done
}

write() {
	places >"$work/places.csv"
	PG_USE_COPY=$1 ogr2ogr -q -f PostgreSQL "$(there)" "$work/places.csv" -nln "places_$2" -oo AUTODETECT_TYPE=YES -oo X_POSSIBLE_NAMES=x -oo Y_POSSIBLE_NAMES=y
	equal "$(sql "select count(*), sum(id), max(name) from places_$2")" "2000|2001000|Ort 999 ü"
}

insert() { write NO inserted; }
copy() { write YES copied; }

read_back() {
	ogr2ogr -q -f GeoJSON "$work/out.json" "$(there)" -sql 'select id, name from places_copied order by id'
	equal "$(grep -c '"name": "Ort' "$work/out.json")" 2000
}

tls() { has "$(ogrinfo -q "$(there sslmode=require)" -sql "select 'TLS is ' || ssl as tls from pg_stat_ssl where pid = pg_backend_pid()")" 'TLS is true'; }

echo "version $(ogr2ogr --version | sed 's/GDAL \([^,]*\),.*/\1/')"
check insert insert
check copy copy
check read read_back
check tls tls
