# What the programs of PostgreSQL's own tools share. Source it, define checks
# with `check NAME COMMAND...`; integration/conformance/clients/doc.go says what is printed.
set -uo pipefail

work=$(mktemp -d)

# check NAME FUNCTION: runs it in a subshell that stops at the first error. The
# last line of what it printed says why it failed.
check() {
	local why
	[[ -z ${CHECKS-} || " $CHECKS " == *" $1 "* ]] || return 0
	(set -e; "$2") >"$work/said" 2>&1
	if (($? == 0)); then
		echo "ok $1"
		return
	fi
	cat "$work/said" >&2
	why=$(tail -n 1 "$work/said")
	echo "fail $1: ${why:-ended without a word}"
}

# equal GOT WANT
equal() { [[ $1 == "$2" ]] || { echo "got '${1:0:200}', want '${2:0:200}'"; exit 1; }; }

# has TEXT PART
has() { [[ $1 == *"$2"* ]] || { echo "no '$2' in '${1:0:400}'"; exit 1; }; }

# sql STATEMENT: its answer, bare
sql() { psql -XAtwq -v ON_ERROR_STOP=1 -c "$1"; }

# version PROGRAM: as PostgreSQL's programs tell it
version() { echo "version $("$1" --version | sed 's/.*(PostgreSQL) \([^ ]*\).*/\1/')"; }
