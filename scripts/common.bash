# Sourced by the scripts beside it: the project's directory, a few words, and the
# answer to --help: the script's own header.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }

die() {
	say "${0##*/}: error: $1"
	shift
	local line
	for line in "$@"; do say "${0##*/}: hint: $line"; done
	exit 1
}

need_go() {
	command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
	command -v go >/dev/null || die "Go is not installed" "install the Go that go.mod names, from https://go.dev/dl"
	# In somebody else's checkout git refuses to tell the commit, which go build takes for an error.
	if ! git -C "$root" rev-parse HEAD >/dev/null 2>&1; then
		export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
	fi
}

# nothing_more ARGUMENT...: there must be none.
nothing_more() {
	(($# == 0)) || die "unexpected argument $1" "scripts/${0##*/} --help says what it takes"
}

# benchmark DEPENDENCIES PROGRAM ARGUMENT...: installs, builds and runs. It does not return.
benchmark() {
	local here=$PWD deps=$1 program=$2 args=()
	shift 2
	while (($#)); do
		case $1 in
		--json)
			(($# > 1)) || die "--json needs a file"
			[[ $2 == /* ]] && args+=(--json "$2") || args+=(--json "$here/$2")
			shift
			;;
		*) args+=("$1") ;;
		esac
		shift
	done
	need_go
	"$root/scripts/install-deps" "$deps"
	cd "$root"
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/pgkeyless
	CGO_ENABLED=0 go build -C integration -trimpath -o "../bin/$program" "./bench/${program%bench}"
	exec "bin/$program" --pgkeyless bin/pgkeyless ${args[@]+"${args[@]}"}
}

for argument; do
	case $argument in -h | --help)
		sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	esac
done
unset argument
