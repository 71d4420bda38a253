#!/usr/bin/perl
#
# from_pgvector.pl
#	  Proves that a database that used pgvector comes over as docs/install.md
#	  says: the shell function of that page is run on the parts of a dump.

use strict;
use warnings;

use Test::More;

my $database = 'from_pgvector';
my $dump = 'test/data/pgvector';
my $function = shell_function('docs/install.md', 'to_trident');

$ENV{PGOPTIONS} = '-c client_min_messages=warning';
is(system("dropdb --if-exists $database && createdb -T template0 $database"), 0, 'an empty database');
$ENV{PGDATABASE} = $database;
is(sql(qq(ALTER DATABASE $database SET search_path = "\$user", public, trident)), '', 'the search_path');

restored('pre-data', "$function\nto_trident <");
restored('data', 'cat');
restored('post-data', "$function\nto_trident <");

is(sql('SELECT * FROM item ORDER BY id'), <<'END', 'the rows');
1|red|[1,0,0]|[1,0,0]
2|green|[0,1,0]|[0,1,0]
3|the type public.vector|[0,0,1]|[0,0,1]
4|orange|[1,0.5,0]|[1,0.5,0]
5|nothing||
END
is(sql('SELECT * FROM vectors'), "{[1],[2]}|[1,2]\n", 'an array, and a table of a similar name');
is(sql(<<'END'), <<'END', 'the types');
SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod)
FROM pg_attribute
WHERE attrelid IN ('item'::regclass, 'vectors'::regclass) AND attnum > 0
ORDER BY 1, attnum;
END
item|id|bigint
item|title|text
item|embedding|vector(3)
item|small|halfvec(3)
vectors|parts|vector[]
vectors|whole|vector
END
is(sql(q(SELECT pg_typeof(embedding)::oid = 'trident.vector'::regtype FROM item WHERE id = 1)), "t\n", 'trident owns the type');
is(sql('SELECT * FROM near_red'), "red|0\norange|0.5\n", 'a view');
is(sql(q(SELECT nearest('[0,1,0]', 2))), "green\norange\n", 'a function with its body as text');
is(sql('SELECT middle()'), "[0.5,0.375,0.25]\n", 'a function with a parsed body');
is(sql('SELECT indexrelid::regclass FROM pg_index WHERE indrelid = ' . q('item'::regclass) . ' ORDER BY 1'),
	"item_pkey\nitem_embedding\nitem_order\nitem_small\n", 'the indexes');
is(sql(q(SELECT indexdef FROM pg_indexes WHERE tablename = 'item' AND indexdef LIKE '%trident%' ORDER BY 1)), <<'END', 'what was hnsw and ivfflat');
CREATE INDEX item_embedding ON public.item USING trident (embedding)
CREATE INDEX item_small ON public.item USING trident (small halfvec_cosine_ops)
END
is(sql(q(SET enable_seqscan = off; SELECT title FROM item ORDER BY embedding <-> '[0,1,0.25]' LIMIT 1)), "green\n", 'a scan of one');
is(transformed("CREATE INDEX a ON ONLY public.item USING ivfflat (embedding public.vector_ip_ops) WITH (lists='100') WHERE (id > 0);"),
	"CREATE INDEX a ON ONLY public.item USING trident (embedding public.vector_ip_ops) WHERE (id > 0);\n", 'a partial index');
is(transformed("CREATE INDEX a ON public.item USING hnsw (((embedding)::public.halfvec(3)) public.halfvec_l2_ops);"),
	"CREATE INDEX a ON public.item USING trident (((embedding)::trident.halfvec(3)) public.halfvec_l2_ops);\n", 'an expression');
is(transformed("CREATE INDEX a ON public.item USING hnsw (embedding public.vector_l1_ops);"), '', 'L1 distance');
isnt(system(q(psql -Xq -c "INSERT INTO vectors (whole) VALUES ('[1,2,3]')" 2>/dev/null)), 0, 'a check constraint');

delete $ENV{PGDATABASE};
system("dropdb $database");
done_testing();

# Restore one section of the dump, through a command that reads its file.
sub restored
{
	my ($section, $through) = @_;
	is(system('sh', '-c', "($through $dump/$section.sql) | psql -Xq -v ON_ERROR_STOP=1 -o /dev/null"),
		0, "restore of $section");
	return;
}

# What the function of the page makes of a line.
sub transformed
{
	my ($line) = @_;
	local $ENV{LINE} = $line;
	return scalar qx($function
printf '%s\\n' "\$LINE" | to_trident);
}

sub sql
{
	my ($query) = @_;
	open(my $psql, '-|', 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', $query)
	  or die "could not run psql: $!\n";
	local $/ = undef;
	return <$psql> // '';
}

# The text of a function that a page shows in a block of sh.
sub shell_function
{
	my ($page, $name) = @_;
	open(my $in, '<', $page) or die "could not open $page: $!\n";
	local $/ = undef;
	my ($text) = <$in> =~ /^```sh\n($name\(\)\n\{.*?^\})\n/ms
	  or die "$page shows no function $name\n";
	return $text;
}
