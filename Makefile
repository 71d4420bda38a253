# trident: build by PGXS.
#
# `make demo` and `make test` need nothing but make: they name and install
# what is missing, build, and run in throw-away servers.  Only `make install`
# writes into the system's PostgreSQL.  PG_CONFIG chooses the major.

EXTENSION = trident
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" trident.control)

MODULE_big = trident
C_FILES := $(sort $(wildcard src/*.c src/*/*.c))
H_FILES := $(sort $(wildcard src/*.h src/*/*.h))
INSTALL_SQL := $(sort $(wildcard sql/install/*.sql))
OBJS = $(C_FILES:.c=.o)
DATA_built = sql/trident--$(EXTVERSION).sql
DATA = $(wildcard sql/upgrade/trident--*--*.sql)
# A second extension, of SQL alone: casts between trident's types and pgvector's.
DATA += $(wildcard sql/bridge/*)

PG_CPPFLAGS = -Isrc -I$(libpq_srcdir)
SHLIB_LINK_INTERNAL = $(libpq)
SHLIB_LINK = -lm -lssh2

# One regress file a topic; sql/install and sql/upgrade are not tests.
REGRESS = $(sort $(notdir $(basename $(wildcard sql/*_*.sql))))
REGRESS_OPTS = --load-extension=trident

EXTRA_CLEAN = test/out .built

PG_CONFIG ?= pg_config
export PG_CONFIG
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

ifneq ($(wildcard $(PGXS)),)
include $(PGXS)

# What is built is built for one server, by some flags, of some files: where
# these change, all is built anew.
BUILT := $(subst ',,$(shell $(PG_CONFIG) --version --configure) $(CC) $(CPPFLAGS) $(CFLAGS) $(OBJS) $(INSTALL_SQL))
.built: FORCE
	@echo '$(BUILT)' | cmp -s - $@ || echo '$(BUILT)' > $@
.PHONY: FORCE

# Dependency tracking is off in packaged PGXS: any header rebuilds everything.
$(OBJS) $(OBJS:.o=.bc): $(H_FILES) .built

# The install script is its fragments, joined in the order of their numbers.
sql/trident--$(EXTVERSION).sql: $(INSTALL_SQL) trident.control .built
	cat $(INSTALL_SQL) > $@

# build/ has what takes long to make, as the server with assertions.
distclean: distclean-build
.PHONY: distclean-build
distclean-build:
	rm -rf build
else
# No PGXS: what a user of it would ask for says what is missing.
all install uninstall installcheck clean distclean:
	@test/tools/deps check build
endif

# The folder test/ exists, so these are phony, whatever PGXS says above.
.PHONY: all install uninstall installcheck clean distclean
.PHONY: demo demo-ingest test test-full test-browser lint bench bench-exchange bench-ingest docs

# Scripts call make again: they get no part of this make's flags.
SCRIPT = env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS

demo:
	@test/tools/deps install demo
	@$(SCRIPT) docker/demo

demo-ingest:
	@test/tools/deps install ingest
	@$(SCRIPT) docker/demo-ingest

test:
	@test/tools/deps install test
	@$(SCRIPT) test/run

test-full:
	@test/tools/deps install full
	@$(SCRIPT) test/full

# A browser is a large package, so this is a target of its own.
test-browser:
	@test/tools/deps install browser
	@$(SCRIPT) test/browser

lint: all
	@$(SCRIPT) test/lint/run

bench:
	@test/tools/deps install demo
	@$(SCRIPT) test/bench/run

bench-exchange:
	@test/tools/deps install demo
	@$(SCRIPT) test/bench/exchange

bench-ingest:
	@test/tools/deps install test
	@$(SCRIPT) test/bench/ingest

# docs/reference, from the comments of SQL objects, settings and messages.
docs:
	@test/tools/deps install demo
	@$(SCRIPT) test/server run -c shared_preload_libraries=trident -- sh -c 'mkdir "$$TRIDENT_OUT/reference" && test/tools/reference write "$$TRIDENT_OUT/reference"'
	@rm -f docs/reference/*.md
	@cp test/out/server/reference/*.md docs/reference/
