# lib.sh
#	  What the scripts run and distance share: the client, the server, and
#	  which extensions it has.  Sourced by bash, from the top of the tree.
#
# With PGHOST, PGPORT or PGDATABASE set the server is that one, and only the
# schema trident_bench and missing extensions are made in it.  Otherwise it is
# a throw-away one (test/server), with durable settings put back: a figure for
# a server that does not flush its WAL would be a figure for nobody.

OUT=$PWD/build/bench
CLIENT=$OUT/client
SERVER=
SCHEMA=trident_bench

die()
{
	echo "test/bench: $*" >&2
	exit 1
}

say()
{
	echo "# $*" >&2
}

build_client()
{
	local include lib

	mkdir -p "$OUT"
	include=$("${PG_CONFIG:-pg_config}" --includedir)
	lib=$("${PG_CONFIG:-pg_config}" --libdir)
	${CC:-gcc} -std=gnu99 -O2 -Wall -Wextra -pthread -I"$include" -L"$lib" \
		test/bench/*.c -o "$CLIENT" -lpq -lm ||
		die "could not build the client (it needs libpq's headers)"
}

# A part of this machine's memory in MB: divisor, least, most.
memory_part()
{
	awk -v d="$1" -v lo="$2" -v hi="$3" '/^MemTotal:/ {
		m = int($2 / 1024 / d); print (m < lo ? lo : m > hi ? hi : m) }' \
		/proc/meminfo
}

start_server()
{
	if [ -n "${PGHOST:-}${PGPORT:-}${PGDATABASE:-}" ]; then
		return
	fi
	say "starting a throw-away server"
	SERVER=$(test/server start \
		-c "shared_buffers = ${SHARED_BUFFERS:-$(memory_part 4 128 8192)MB}" \
		-c 'fsync = on' -c 'max_wal_size = 16GB' -c 'checkpoint_timeout = 1h' \
		-c 'autovacuum = off' -c 'jit = off')
	export PGHOST=$SERVER/sock PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
}

stop_server()
{
	[ -n "$SERVER" ] || return 0
	if [ -n "${KEEP:-}" ]; then
		say "the server stays: psql -h $SERVER/sock -U postgres postgres"
		say "stop it with: test/server stop $SERVER"
	else
		test/server stop "$SERVER"
	fi
	SERVER=
}

# One statement; prints its rows, fields between tabs.
sql()
{
	PGOPTIONS='-c client_min_messages=warning' \
		psql -X -q -A -t -F '	' -v ON_ERROR_STOP=1 -c "$1" </dev/null
}

# The same, where a failure is an answer: no message, false.
try()
{
	sql "$1" >/dev/null 2>&1
}

# What may be measured: sets HAVE[ours] and HAVE[peer] to extension names or
# nothing, NS[side] to the schema each lives in, TYPE[side] to its vector.
declare -A HAVE NS TYPE AM

find_extensions()
{
	local side

	HAVE[ours]=${OURS:-trident}
	HAVE[peer]=
	if [ "${PEER:-auto}" != none ] && [ "$(sql "SELECT count(*)
		FROM pg_available_extensions WHERE name = 'vector'")" = 1 ]; then
		HAVE[peer]=vector
	fi
	for side in ours peer; do
		[ -n "${HAVE[$side]}" ] || continue
		sql "CREATE EXTENSION IF NOT EXISTS ${HAVE[$side]}"
		NS[$side]=$(sql "SELECT quote_ident(nspname) FROM pg_extension e
			JOIN pg_namespace n ON n.oid = extnamespace
			WHERE extname = '${HAVE[$side]}'")
		if [ "${HAVE[$side]}" = vector ]; then
			TYPE[$side]=${NS[$side]}.vector AM[$side]=hnsw
		else
			TYPE[$side]=trident.vector AM[$side]=trident
		fi
	done
	if [ -z "${HAVE[peer]}" ]; then
		say "pgvector is not available in this server: ours alone"
	fi
}

# Does the server have the access method of a side?
has_am()
{
	[ "$(sql "SELECT count(*) FROM pg_am WHERE amname = '${AM[$1]}'")" = 1 ]
}

# The sides to measure, in the order of each round.
sides()
{
	echo "ours${HAVE[peer]:+ peer}"
}
