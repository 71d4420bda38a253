/*
 * client.c
 *	  The benchmark client: one measurement a call, one line of key=value
 *	  pairs on standard output.
 *
 * Connects by the usual PG* environment variables.  The driver scripts run
 * and distance call it; rows, interleaving and ratios are theirs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

static const char usage_text[] =
"usage: client COMMAND [options] [SQL]\n"
"  load    COPY rows:        -b BASE -t TABLE [-f FIRST_ID] [-c ROWS]\n"
"  insert  prepared inserts: -b BASE -t TABLE -f FIRST_ID -c ROWS\n"
"  sql     one statement, timed\n"
"  query   SQL with $1 = vector ($2 = tenant with -T), first column = id:\n"
"          -q QUERIES [-g TRUTH] [-k K] [-n CONNECTIONS] [-c COUNT]\n"
"          [-w WARM_UP] [-m LEAST_SECONDS] [-l MOST_SECONDS] [-T]\n"
"  truth   exact neighbours among filtered rows: -b BASE -q QUERIES\n"
"          -M l2|cosine -g OUTPUT [-k K] [-c COUNT] [-B BUCKET_LIMIT] [-T]\n"
"  fleet   many clients, every answer checked: SQL with $1 = vector, columns\n"
"          id and distance: -b BASE -q QUERIES -g TRUTH -c COUNT [-k K]\n"
"          [-n CLIENTS] [-w WARM_UP] [-l MOST_SECONDS] [-O: a connection for\n"
"          each query] [-R: rows beyond the true neighbours may come]\n"
"          [-N: answers are not looked at]\n"
"  legs    one client, each search taken apart: SQL with $1 = vector:\n"
"          -q QUERIES -c COUNT [-w WARM_UP]\n"
"  info    dimension and rows of a file: -b FILE\n"
"  each:   [-s SETUP_SQL]...\n"
"TRUTH and OUTPUT are prefixes of .ivecs and .dist.fvecs.\n";

static void
usage(void)
{
	fputs(usage_text, stderr);
	exit(2);
}

static void
add_setup(Options *opt, char *sql)
{
	if (opt->nsetup == (int) (sizeof(opt->setup) / sizeof(opt->setup[0])))
		die("too many set-up statements", NULL);
	opt->setup[opt->nsetup++] = sql;
}

static void
set_option(Options *opt, int letter, char *arg)
{
	switch (letter)
	{
		case 'b':
			opt->base = arg;
			break;
		case 'q':
			opt->queries = arg;
			break;
		case 'g':
			opt->truth = arg;
			break;
		case 't':
			opt->table = arg;
			break;
		case 'M':
			opt->metric = arg;
			break;
		case 's':
			add_setup(opt, arg);
			break;
		case 'k':
			opt->k = atoi(arg);
			break;
		case 'n':
			opt->conns = atoi(arg);
			break;
		case 'f':
			opt->first = atoll(arg);
			break;
		case 'c':
			opt->count = atoll(arg);
			break;
		case 'w':
			opt->warm = atoi(arg);
			break;
		case 'm':
			opt->least_s = atof(arg);
			break;
		case 'l':
			opt->limit_s = atof(arg);
			break;
		case 'B':
			opt->below = atoi(arg);
			break;
		case 'T':
			opt->tenants = true;
			break;
		case 'O':
			opt->reopen = true;
			break;
		case 'N':
			opt->blind = true;
			break;
		case 'R':
			opt->inexact = true;
			break;
		default:
			usage();
	}
}

static void
need(bool given)
{
	if (!given)
		usage();
}

static void
cmd_info(const Options *opt)
{
	Vecs		v;

	vecs_open(&v, opt->base);
	printf("%d %lld\n", v.dim, (long long) v.n);
}

static void
dispatch(const char *command, const Options *opt)
{
	if (strcmp(command, "load") == 0)
	{
		need(opt->base && opt->table);
		cmd_load(opt);
	}
	else if (strcmp(command, "insert") == 0)
	{
		need(opt->base && opt->table && opt->count > 0);
		cmd_insert(opt);
	}
	else if (strcmp(command, "sql") == 0)
	{
		need(opt->sql != NULL);
		cmd_sql(opt);
	}
	else if (strcmp(command, "query") == 0)
	{
		need(opt->queries && opt->sql && opt->k > 0 && opt->conns > 0);
		cmd_query(opt);
	}
	else if (strcmp(command, "truth") == 0)
	{
		need(opt->base && opt->queries && opt->truth && opt->metric &&
			 opt->k > 0);
		cmd_truth(opt);
	}
	else if (strcmp(command, "fleet") == 0)
	{
		need(opt->base && opt->queries && opt->truth && opt->sql &&
			 opt->k > 0 && opt->conns > 0 && opt->count > 0);
		cmd_fleet(opt);
	}
	else if (strcmp(command, "legs") == 0)
	{
		need(opt->queries && opt->sql && opt->count > 0);
		cmd_legs(opt);
	}
	else if (strcmp(command, "info") == 0)
	{
		need(opt->base != NULL);
		cmd_info(opt);
	}
	else
		usage();
}

int
main(int argc, char **argv)
{
	Options		opt = {.k = 10,.conns = 1};
	int			letter;

	if (argc < 2)
		usage();
	optind = 2;
	while ((letter = getopt(argc, argv, "b:q:g:t:M:s:k:n:f:c:w:m:l:B:TORN")) != -1)
		set_option(&opt, letter, optarg);
	if (optind < argc)
		opt.sql = argv[optind++];
	if (optind != argc)
		usage();
	dispatch(argv[1], &opt);
	return 0;
}
