#!/usr/bin/perl
#
# reference.pl
#	  Proves that docs/reference is what the comments of the SQL objects, the
#	  settings and the messages make of it.

use strict;
use warnings;

use Test::More tests => 1;

is(system('test/tools/reference', 'check', 'docs/reference'), 0,
	'docs/reference is up to date');
