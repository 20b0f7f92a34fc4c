source ../harness/checks.bash

bench() { # bench TRANSACTIONS ARGUMENT...: all of them done, none failed
	local want=$1 out
	shift
	out=$(pgbench -n -j 2 -c 8 "$@" 2>&1) || { echo "$out"; exit 1; }
	has "$out" "number of transactions actually processed: $want/$want"
	[[ $out != *error* ]] || { echo "$out"; exit 1; }
}

init() {
	pgbench -i -s 2 -q
	equal "$(sql 'select count(*) from pgbench_accounts')" 200000
}
tpcb() { bench 400 -t 50; }
select_only() { bench 4000 -S -t 500; }
prepared() { bench 4000 -S -M prepared -t 500; }
extended() { bench 400 -M extended -t 50; }
reconnect() { bench 80 -C -S -t 10; }
pipeline() {
	cat >"$work/script" <<-'END'
		\set id random(1, 200000)
		\startpipeline
		select abalance from pgbench_accounts where aid = :id;
		select 1;
		select count(*) from pgbench_branches;
		\endpipeline
	END
	bench 800 -M extended -f "$work/script" -t 100
}

version pgbench
check init init
check tpcb tpcb
check select-only select_only
check prepared prepared
check extended extended
check reconnect reconnect
check pipeline pipeline
