source ../harness/checks.bash

psql -Xwq -v ON_ERROR_STOP=1 >&2 <<'END' || exit
create schema shop;
create type shop.state as enum ('new', 'paid');
create table shop.customer (id bigserial primary key, name text not null, photo bytea);
create table shop.bill (id bigserial primary key, customer bigint references shop.customer, state shop.state default 'new', total numeric(10, 2), at timestamptz default now());
create index on shop.bill (customer, at);
create view shop.open as select * from shop.bill where state = 'new';
create function shop.touch() returns trigger language plpgsql as $$ begin new.at = now(); return new; end $$;
create trigger touched before update on shop.bill for each row execute function shop.touch();
insert into shop.customer (name, photo) select 'Ünïcode ' || g, decode(repeat(lpad(to_hex(g % 256), 2, '0'), 500), 'hex') from generate_series(1, 2000) g;
insert into shop.bill (customer, total) select g % 2000 + 1, g / 100.0 from generate_series(1, 20000) g;
select lo_from_bytea(0, 'large object');
END

digest() { # of all rows
	sql "select md5(string_agg(c::text, '' order by id)) from shop.customer c"
	sql "select md5(string_agg(b::text, '' order by id)) from shop.bill b"
	sql "select string_agg(convert_from(lo_get(oid), 'utf8'), ',') from pg_largeobject_metadata"
}
want=$(digest)

emptied() { sql 'drop schema shop cascade; select lo_unlink(oid) from pg_largeobject_metadata' 2>/dev/null; }
restored() { equal "$(digest)" "$want"; }

plain() {
	pg_dump -w -f "$work/plain.sql"
	emptied
	psql -Xwq -v ON_ERROR_STOP=1 -f "$work/plain.sql"
	restored
}
custom() {
	pg_dump -w -Fc -f "$work/custom"
	emptied
	pg_restore -w --exit-on-error -d "$PGDATABASE" "$work/custom"
	restored
}
directory() {
	pg_dump -w -Fd -j 4 -f "$work/directory"
	emptied
	pg_restore -w --exit-on-error -j 4 -d "$PGDATABASE" "$work/directory"
	restored
}
tar() {
	pg_dump -w -Ft -f "$work/tar"
	emptied
	pg_restore -w --exit-on-error -d "$PGDATABASE" "$work/tar"
	restored
}
schema_only() {
	local out
	out=$(pg_dump -w --schema-only)
	has "$out" 'CREATE TRIGGER touched'
	[[ $out != *$'\nCOPY '* ]] || { echo "rows in it"; exit 1; }
}

version pg_dump
check plain plain
check custom custom
check directory directory
check tar tar
check schema-only schema_only
