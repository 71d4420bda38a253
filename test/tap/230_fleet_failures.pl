# A fleet under load while things go wrong: a node dies, hangs, restarts, is cut
# off, is slow, has another password, another version; its mapping changes, its
# server is dropped, its standby is promoted.  No answer is wrong or short:
# it is right, or an error that is documented; and afterwards all is as before.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use FleetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# before the test's output is led into its log
my $has_network;
BEGIN { $has_network = own_network() }

my $full = $ENV{TRIDENT_TEST_FULL};
my $rounds = $full ? 20 : 1;
my $mode = $ENV{TRIDENT_EXCHANGE_MODE} || 'auto';

my @nodes = fleet(3, conf => <<"END");
fsync = off
max_prepared_transactions = 10
wal_level = replica
max_wal_senders = 5
hot_standby = on
trident.exchange_mode = $mode
trident.exchange_timeout = '5s'
trident.exchange_connect_timeout = '3s'
trident.exchange_pool_size = 4
END
my ($home, $second, $third) = @nodes;

app_sql($home, <<'END');
CREATE TABLE item (id int PRIMARY KEY, embedding vector(8), title text);
CREATE FUNCTION noise() RETURNS vector LANGUAGE sql VOLATILE AS
	$$ SELECT array_agg(random() * 100)::vector FROM generate_series(1, 8) $$;
SELECT setseed(0.84);
INSERT INTO item SELECT i, noise(), 'title ' || i FROM generate_series(1, 3000) i;
CREATE INDEX ON item USING trident (embedding vector_l2_ops);
ALTER TABLE item OWNER TO app;
END
app_sql($home, <<'END');
-- what is right: read from the table as it is before it is spread
SET enable_indexscan = off;
CREATE TABLE truth AS
	SELECT n, v, (SELECT array_agg(id ORDER BY d) FROM (SELECT id, embedding <-> v AS d FROM item ORDER BY d LIMIT 10) x) AS ids
	FROM (SELECT n, noise() AS v FROM generate_series(1, 20) n OFFSET 0) q;
GRANT SELECT ON truth TO app;
END
as_app($home, "SELECT trident_collection_distribute('item', '{local,node2,node3}', 6)");
app_sql($home, <<'END');
ANALYZE item;
CREATE FUNCTION load(seconds float8, deadline interval, OUT good int, OUT wrong int, OUT failed int, OUT states text[])
LANGUAGE plpgsql SET trident.index_target_recall = 1 AS $$
DECLARE
	until timestamptz := clock_timestamp() + seconds * interval '1 s';
	t record;
	got int[];
BEGIN
	good := 0; wrong := 0; failed := 0; states := '{}';
	WHILE clock_timestamp() < until LOOP
		FOR t IN SELECT * FROM truth LOOP
			BEGIN
				got := ARRAY(SELECT id::int FROM trident_search('item', t.v, 10, key => '{id}', deadline => load.deadline));
				IF got = t.ids THEN good := good + 1; ELSE wrong := wrong + 1; END IF;
			EXCEPTION WHEN OTHERS THEN
				failed := failed + 1;
				IF SQLSTATE <> ALL (states) THEN states := states || SQLSTATE; END IF;
				PERFORM pg_sleep(0.01);
			END;
			EXIT WHEN clock_timestamp() >= until;
		END LOOP;
	END LOOP;
END $$;
-- an answer right now, for await_sql
CREATE FUNCTION healthy() RETURNS bool LANGUAGE sql SET trident.index_target_recall = 1 AS
	$$ SELECT bool_and(ids = ARRAY(SELECT id::int FROM trident_search('item', v, 10, key => '{id}'))) FROM truth $$;
END

# What remains of a failure: nothing that the next one would meet.
sub settled
{
	my ($what) = @_;
	my $pool = 4;

	await_sql($home, 'SELECT healthy()', "$what: right answers afterwards");
	await_sql($home, 'SELECT slots_used = 0 AND memory_used = 0 FROM trident.stat_exchange_memory',
		"$what: no slot and no memory is left in use");
	for my $node ($second, $third)
	{
		await_sql($node, "SELECT count(*) <= $pool FROM pg_stat_activity WHERE application_name LIKE 'trident%' AND datname = 'app'",
			"$what: connections to " . $node->name . ' within bounds');
		await_sql($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'",
			"$what: no transaction left open on " . $node->name);
		is(app_sql($node, 'SELECT count(*) FROM pg_prepared_xacts'), '0', "$what: none prepared");
	}
	return;
}

# What happens, awaited: so many more calls to nodes have ended, or without an answer.
my $ended = 'calls';
my $unanswered = 'failures + timeouts + rejected + cancels';

sub until_more
{
	my ($count, $more, $happens, $what) = @_;
	my $wanted = app_sql($home, "SELECT sum($count) + $more FROM trident.stat_exchange");
	my @result = $happens->();

	await_sql($home, "SELECT sum($count) >= $wanted FROM trident.stat_exchange", $what);
	return @result;
}

# Under load, something happens; SQLSTATEs that answers may then have.
my $lost = qr/^(TR00[123]|08006|57P0[123]|25P02)$/;

sub during_load
{
	my ($what, $happens, %how) = @_;
	my @load = until_more($ended, 30, sub { begin_load($home, 3, $how{seconds} // 2.5, deadline => $how{deadline}) },
		"$what: under load");

	$happens->();
	my $sum = end_load(@load);
	is($sum->{lost}, '', "$what: no session is lost");
	is($sum->{wrong}, 0, "$what: no answer is wrong or short");
	cmp_ok($sum->{right}, '>', 0, "$what: there are answers");
	my @other = grep { !/$lost/ } keys %{ $sum->{states} };
	is("@other", '', "$what: only errors that are documented");
	note("$what: $sum->{right} right, $sum->{failed} failed, " . join(' ', sort keys %{ $sum->{states} }));
	settled($what) unless $how{unsettled};
	return $sum;
}

settled('to begin with');

for my $round (1 .. $rounds)
{
	my $sum = during_load('nothing happens', sub { });
	is($sum->{failed}, 0, 'and then nothing fails');

	during_load('a node is killed', sub {
		until_more($unanswered, 3, sub { kill_node($third) }, 'a node is killed: searches met it');
		$third->start;
	});
	$sum = during_load('a node is restarted', sub { $second->restart });
	during_load('a node hangs', sub {
		until_more($unanswered, 3, sub { freeze_node($third) }, 'a node hangs: searches met it');
		thaw_node($third);
	}, deadline => '500 ms');
}

# --- a network that fails, and is slow ---

my $proxy = proxy($third, 0);
my $direct = "OPTIONS (SET port '" . $third->port . "')";
my $by_proxy = "OPTIONS (SET port '" . proxy_port($proxy) . "')";

app_sql($home, "ALTER SERVER node3 $by_proxy");
settled('a changed server');
during_load('the network is cut', sub {
	until_more($unanswered, 3, sub { $proxy->{run}->signal('STOP') }, 'the network is cut: searches met it');
	$proxy->{run}->signal('CONT');
}, deadline => '500 ms');
during_load('connections are reset', sub { $proxy->{run}->kill_kill; app_sql($home, "ALTER SERVER node3 $direct") });

$proxy = proxy($third, 120);
app_sql($home, 'ALTER SERVER node3 OPTIONS (SET port \'' . proxy_port($proxy) . "')");
fails_with($home, "SELECT * FROM trident_search('item', (SELECT v FROM truth LIMIT 1), 10, key => '{id}', deadline => '200 ms')",
	qr/ERROR:.*node3/, 'a node slower than the deadline is an error that names it', as => 'app');
my ($out, $err) = ('', '');
$home->psql('app', <<'END', stdout => \$out, stderr => \$err, extra_params => [ '-U', 'app' ]);
SET trident.index_target_recall = 1;
SELECT count(*) = 10 FROM trident_search('item', (SELECT v FROM truth WHERE n = 1), 10, key => '{id}', deadline => '200 ms', partial => 'allow');
SELECT count(*) FILTER (WHERE error IS NULL AND node <> 'node3'), count(*) FILTER (WHERE error IS NOT NULL AND node = 'node3'), sum(coverage) < 1 FROM trident_last_search();
END
is($out, "t\n4|2|t", 'or its shards are left out, on request, and that is told');
like($err, qr/WARNING/, 'with a warning');
await_sql($home, "SELECT healthy()", 'slow is not wrong');
app_sql($home, "ALTER SERVER node3 $direct");
$proxy->{run}->kill_kill;
settled('a slow network');

# A link that goes down: what was sent is lost, and nobody is told.
SKIP:
{
	skip 'ordinary users may not make networks here (unshare --user --net)', 1 unless $has_network;
	$third->stop;
	my $holder = start_beyond($third);
	app_sql($home, sprintf("ALTER SERVER node3 OPTIONS (SET host '10.84.0.2')"));
	settled('a node beyond a link');
	during_load('the link is down', sub {
		until_more($unanswered, 3, sub { system_or_bail('ip', 'link', 'set', 'near', 'down') }, 'the link is down: searches met it');
		system_or_bail('ip', 'link', 'set', 'near', 'up');
	}, deadline => '500 ms', seconds => 3.5);
	await_sql($third, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'trident%' AND state = 'active'",
		'nothing runs there for who was cut off');
	app_sql($home, "ALTER SERVER node3 OPTIONS (SET host '127.0.0.1')");
	$third->stop;
	$holder->kill_kill;
	$third->start;
	settled('the node back here');
}

# --- what is configured wrongly ---

my $search = "SELECT count(*) FROM trident_search('item', (SELECT v FROM truth WHERE n = 1), 10, key => '{id}')";

during_load('a wrong password', sub {
	app_sql($home, "ALTER USER MAPPING FOR app SERVER node3 OPTIONS (SET password 'wrong-secret')");
	fails_with($home, $search, qr/node3.*password authentication failed/s, 'a wrong password', as => 'app');
	app_sql($home, "ALTER USER MAPPING FOR app SERVER node3 OPTIONS (SET password 'secret-of-app')");
});
app_sql($third, "CREATE ROLE other LOGIN PASSWORD 'secret-of-other' IN ROLE app");
during_load('a changed mapping', sub {
	app_sql($home, "ALTER USER MAPPING FOR app SERVER node3 OPTIONS (SET user 'other', SET password 'secret-of-other')");
});
as_app($home, $search);
await_sql($third, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'trident%' AND usename NOT IN ('admin', 'other')",
	'nothing is left that asks the node as the old role');
app_sql($home, "ALTER USER MAPPING FOR app SERVER node3 OPTIONS (SET user 'app', SET password 'secret-of-app')");
settled('the mapping as before');

my $version = app_sql($third, "SELECT extversion FROM pg_extension WHERE extname = 'trident'");
app_sql($third, "UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'trident'");
app_sql($third, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'trident%'");
fails_with($home, $search, qr/node3.*0\.0\.1.*ALTER EXTENSION trident UPDATE/s, 'another version of the extension', as => 'app');
app_sql($third, "UPDATE pg_extension SET extversion = '$version' WHERE extname = 'trident'");
settled('the version as before');

# --- a standby is promoted: the node is a list of hosts, the first that is a primary ---

$second->append_conf('pg_hba.conf', 'local replication all trust');
$second->reload;
$second->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('fleet2_standby');
$standby->init_from_backup($second, 'base', has_streaming => 1);
$standby->start;
$second->wait_for_catchup($standby, 'replay', $second->lsn('flush'));
app_sql($home, sprintf("ALTER SERVER node2 OPTIONS (SET host '127.0.0.1,127.0.0.1', SET port '%d,%d')", $second->port, $standby->port));
settled('a node of two hosts');
during_load('its standby is promoted', sub {
	kill_node($second);
	$standby->promote;
}, unsettled => 1, seconds => 4);
$second = $standby;
settled('its standby is promoted');

# --- a server is dropped ---

my @load = until_more($ended, 20, sub { begin_load($home, 2, 2) }, 'a server is dropped: under load');
my $rc = $home->psql('app', 'BEGIN; DROP TABLE item; DROP SERVER node3 CASCADE; ROLLBACK');
is($rc, 0, 'a server is dropped, and is not');
my $sum = end_load(@load);
is("$sum->{wrong}$sum->{lost}", '0', 'no answer is wrong for it');
settled('a drop rolled back');
app_sql($home, 'DROP TABLE item; DROP SERVER node3 CASCADE');
await_sql($third, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'trident%'",
	'connections to a dropped server are closed');

# --- logs ---

my @logs = map { slurp_file($_->logfile) } (@nodes, $standby);
unlike("@logs", qr/PANIC|TRAP|terminated by signal 11/, 'no crash in the logs');
unlike(join('', grep { !/STATEMENT/ } map { split /^/ } @logs), qr/secret-of-|wrong-secret/, 'no secret in the logs');

$_->stop('fast') foreach ($home, $standby, $third);
done_testing();
