# DDL beside searches over nodes, in either order: a search that is under way
# ends right before the command does its work, one that comes later waits for
# it, and what is dropped, altered or moved on a node behind the search's back
# is a right answer or an error that names the node.  While a shard moves,
# searches go on and writes wait.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use FleetTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs a library with fault points (TRIDENT_FAULTS)'
  unless $ENV{TRIDENT_FAULTS};

my @nodes = fleet(3, faults => 1, conf => "fsync = off\n");
my ($home, $second, $third) = @nodes;

# A collection of this content and these shards, made anew.
sub make
{
	app_sql($home, <<'END');
DROP TABLE IF EXISTS item;
CREATE TABLE item (id int PRIMARY KEY, embedding vector(2), title text);
INSERT INTO item SELECT i, ARRAY[i, 1]::vector, 'title ' || i FROM generate_series(1, 300) i;
CREATE INDEX ON item USING trident (embedding vector_l2_ops);
SELECT trident_collection_distribute('item', '{local,node2,node3}', 3);
SELECT count(*) FROM trident_collection_cleanup();
END
	return;
}

my $search = "SELECT string_agg(id, ',') FROM trident_search('item', '[100,1]', 5, key => '{id}')";
my $answer = '100,99,101,98,102';

# A session that runs a statement; what it says, when it is done.
sub begin_sql
{
	my ($sql) = @_;
	my $run = { out => '', err => '' };

	$run->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $home->connstr('app'), map { ('-c', $_) } ref $sql ? @$sql : $sql ],
		'<', \undef, '>', \$run->{out}, '2>', \$run->{err});
	return $run;
}

sub end_sql
{
	my ($run) = @_;

	$run->{run}->finish;
	return $run->{out} . $run->{err};
}

# Sessions of the home that wait for a lock.
sub await_waiting
{
	my ($pattern, $what) = @_;

	return await_sql($home, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '$pattern'", $what);
}

my %commands = (
	'ADD COLUMN' => [ 'ALTER TABLE item ADD COLUMN extra int', $answer ],
	'TRUNCATE' => [ 'TRUNCATE item', undef ],
	'DROP TABLE' => [ 'DROP TABLE item', undef ],
	'DROP INDEX' => [ 'DROP INDEX item_embedding_idx', $answer ],
	'move_shard' => [ "SELECT trident_collection_move_shard('item', 1, 'node3')", $answer ],
	'undistribute' => [ "SELECT trident_collection_undistribute('item')", $answer ]);

# The others take their turn in the longer run.
delete @commands{ 'TRUNCATE', 'DROP INDEX', 'undistribute' } unless $ENV{TRIDENT_TEST_FULL};

# --- a search is under way: the node has it, and cannot answer yet ---

foreach my $name (sort keys %commands)
{
	my ($command, $after) = @{ $commands{$name} };

	make();
	my ($shard) = app_sql($third, "SELECT format('trident_shard.%I', relname) FROM pg_class WHERE relnamespace = 'trident_shard'::regnamespace AND relkind = 'r'");
	my $lock = $third->background_psql('app');
	$lock->query_safe("BEGIN; LOCK TABLE $shard");
	my $searching = begin_sql($search);
	await_sql($third, "SELECT count(*) = 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.application_name LIKE 'trident/%/read'", "$name: a search is under way");
	my $commanding = begin_sql($command);
	if ($name eq 'move_shard')
	{
		# it waits for readers last, when all else is done
		await_sql($home, "SELECT count(*) = 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'item' AND l.mode = 'AccessExclusiveLock' AND NOT l.granted", "$name waits for it");
	}
	else
	{
		(my $pattern = $command) =~ s/\(.*/%/s;
		$pattern =~ s/'/''/g;
		await_waiting("$pattern%", "$name waits for it");
	}
	$lock->query_safe('COMMIT');
	$lock->quit;
	is(end_sql($searching), "$answer\n", "$name: the answer of the search is right");
	unlike(end_sql($commanding), qr/ERROR/, "$name: the command is done");
	is(app_sql($home, $search), $after, "$name: so is the next") if defined $after;
}

# --- a command is under way: searches wait for it, and see what it did ---

foreach my $name (sort keys %commands)
{
	my ($command, $after) = @{ $commands{$name} };

	# those are done in no transaction block: below
	next if $name =~ /move|undistribute/;
	foreach my $end ('ROLLBACK', 'COMMIT')
	{
		make();
		my $session = $home->background_psql('app', on_error_stop => 0);
		$session->query("SET client_min_messages = error; BEGIN; $command");
		my $searching = begin_sql($search);
		await_waiting('%trident_search%', "$name under way: a search waits");
		$session->query($end);
		$session->quit;
		my $said = end_sql($searching);
		if ($end eq 'ROLLBACK' || defined $after)
		{
			is($said, "$answer\n", "$name, $end: its answer is right");
		}
		elsif ($name eq 'TRUNCATE')
		{
			is($said, "\n", "$name, $end: nothing is found");
		}
		else
		{
			like($said, qr/ERROR:  (relation|could not open relation|table).*/, "$name, $end: it is gone");
		}
	}
}

# What comes home meanwhile is found: it is newer than the search's statement.
foreach my $command ("SELECT trident_collection_move_shard('item', 1, 'local')", "SELECT trident_collection_undistribute('item')")
{
	make();
	my $lock = $home->background_psql('app');
	$lock->query_safe('SELECT pg_advisory_lock(8400)');
	my $commanding = begin_sql([ "SET trident.fault = 'collection-before-remote-commit:wait'", $command ]);
	await_sql($home, "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", "$command: about to commit");
	my $searching = begin_sql($search);
	await_waiting('%trident_search%', "$command: a search waits");
	$lock->query_safe('SELECT pg_advisory_unlock(8400)');
	$lock->quit;
	is(end_sql($searching), "$answer\n", "$command: it finds what has come home");
	unlike(end_sql($commanding), qr/ERROR/, "$command: done");
}

# --- behind its back, on the node ---

make();
my ($shard) = app_sql($third, "SELECT format('trident_shard.%I', relname) FROM pg_class WHERE relnamespace = 'trident_shard'::regnamespace AND relkind = 'r'");
is(app_sql($home, $search), $answer, 'all is well');
app_sql($third, "ALTER TABLE $shard RENAME COLUMN embedding TO other");
fails_with($home, $search, qr/node3.*embedding/s, 'a column renamed on the node is an error that names it');
app_sql($third, "ALTER TABLE $shard RENAME COLUMN other TO embedding");
app_sql($third, "ALTER TABLE $shard RENAME TO elsewhere");
fails_with($home, $search, qr/node3.*does not exist/s, 'so is a table that is not there');
app_sql($third, "ALTER TABLE trident_shard.elsewhere RENAME TO " . ($shard =~ s/.*\.//r));
is(app_sql($home, $search), $answer, 'and all is well again');
my $rewriting = $third->background_psql('app');
$rewriting->query_safe("BEGIN; ALTER TABLE $shard ALTER COLUMN title TYPE text USING title || ''");
my $searching = begin_sql($search);
await_sql($third, "SELECT count(*) = 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.application_name LIKE 'trident/%/read'", 'a search waits for a table to be rewritten on the node');
$rewriting->query_safe('COMMIT');
$rewriting->quit;
is(end_sql($searching), "$answer\n", 'and finds its rows');

# --- a shard moves: reads go on, writes wait ---

foreach my $to ('node2', 'local')
{
	make();
	my $lock = $home->background_psql('app');
	$lock->query_safe('SELECT pg_advisory_lock(8400)');
	my $moving = begin_sql([ "SET trident.fault = 'collection-shard-copied:wait'", "SELECT trident_collection_move_shard('item', 2, '$to')" ]);
	await_sql($home, "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", "to $to: a shard is copied");
	is(app_sql($home, $search), $answer, "to $to: a search goes on");
	is(app_sql($home, 'SELECT count(*), sum(id) FROM item'), '300|45150', "to $to: so does a query");
	my $writing = begin_sql("INSERT INTO item SELECT i, '[1000,1]', 'new' FROM generate_series(1001, 1030) i");
	await_waiting('INSERT INTO item%', "to $to: a write waits");
	$lock->query_safe('SELECT pg_advisory_unlock(8400)');
	$lock->quit;
	like(end_sql($moving), qr/^\d+\n$/, "to $to: it has moved");
	is(end_sql($writing), '', "to $to: the write comes after");
	is(app_sql($home, "SELECT count(*) FROM item; SELECT bool_and(ok), string_agg(node, ',' ORDER BY shard) FROM trident_collection_status('item', true)"),
		"330\nt|local,node2,$to", "to $to: nothing is lost");
	is(app_sql($home, $search), $answer, "to $to: searches find it there");
	is(shard_tables($third), '0', "to $to: the old one is gone");
}

$_->stop foreach @nodes;
foreach my $node (@nodes)
{
	unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|XX000/, $node->name . ': nothing unexpected in the log');
}
done_testing();
