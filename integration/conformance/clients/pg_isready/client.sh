source ../harness/checks.bash

ready() { has "$(pg_isready)" 'accepting connections'; }

# Port 1 of the loopback address is nobody's.
nobody() {
	local out status=0
	out=$(pg_isready -p 1) || status=$?
	equal $status 2
	has "$out" 'no response'
}

version pg_isready
check ready ready
check nobody nobody
