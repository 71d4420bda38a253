# trident: build by PGXS.  `make demo` and `make test` need nothing but make:
# they install what is missing, build, and run in throw-away servers.

EXTENSION = trident
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" trident.control)

MODULE_big = trident
C_FILES := $(sort $(wildcard src/*.c src/*/*.c))
H_FILES := $(sort $(wildcard src/*.h src/*/*.h))
OBJS = $(C_FILES:.c=.o)
DATA_built = sql/trident--$(EXTVERSION).sql
DATA = $(wildcard sql/upgrade/trident--*--*.sql)

PG_CPPFLAGS = -Isrc
SHLIB_LINK = -lm

# One regress file a topic; sql/install and sql/upgrade are not tests.
REGRESS = $(sort $(notdir $(basename $(wildcard sql/*_*.sql))))
REGRESS_OPTS = --load-extension=trident

EXTRA_CLEAN = test/out build

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Dependency tracking is off in packaged PGXS: any header rebuilds everything.
$(OBJS) $(OBJS:.o=.bc): $(H_FILES)

# The install script is its fragments, joined in the order of their numbers.
sql/trident--$(EXTVERSION).sql: $(sort $(wildcard sql/install/*.sql)) trident.control
	cat $(sort $(wildcard sql/install/*.sql)) > $@
