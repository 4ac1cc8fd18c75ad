# ngx_cargo: a Cargo registry inside nginx
#
#   make            builds the module and cargoctl
#   make run        sets up and starts a registry in ./var on port 8080
#   make test       sets up and runs all tests
#   make bench      measures it side by side with plain nginx and pgbench
#   make help       lists the rest

SHELL       = /bin/bash

OBJS        = $(CURDIR)/objs
DATA        = $(CURDIR)/var
PORT        = 8080

# the source nginx is built from: Debian's nginx-dev, or an upstream tree
NGX_SRC     = /usr/share/nginx/src
NGINX       = $(shell command -v nginx || echo /usr/sbin/nginx)

prefix      = /usr
bindir      = $(prefix)/bin
moddir      = $(prefix)/lib/nginx/modules
datadir     = $(prefix)/share/ngx_cargo
mandir      = $(prefix)/share/man
bashdir     = $(prefix)/share/bash-completion/completions
unitdir     = $(prefix)/lib/systemd/system

CC          = gcc
CXX         = g++
CFLAGS      = -g -O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2 -Wformat \
              -Werror=format-security
WARN        = -Wall -Wextra -Werror

# prove runs so many tests at a time
JOBS        = $(shell nproc)

SRC         = ngx_cargo_module
CORE_C      = $(wildcard $(SRC)/core/*.c)
CORE_O      = $(patsubst $(SRC)/core/%.c,$(OBJS)/core/%.o,$(CORE_C)) \
              $(OBJS)/core/cargo_toml.o
CORE        = $(OBJS)/core/libcargo_core.a
CORE_LIBS   = -ljansson -lcrypto -lz -lstdc++
CTL_O       = $(patsubst $(SRC)/ctl/%.c,$(OBJS)/ctl/%.o,\
                $(wildcard $(SRC)/ctl/*.c))
UNIT        = $(patsubst t/unit/%.c,$(OBJS)/unit/%,$(wildcard t/unit/test_*.c))
TOOLS       = $(patsubst t/tools/%.c,$(OBJS)/tools/%,$(wildcard t/tools/*.c))
UNIT_C      = $(filter-out t/unit/test_%,$(wildcard t/unit/*.c))
REPLAY      = $(patsubst t/fuzz/fuzz_%.c,$(OBJS)/fuzz/%,\
                $(wildcard t/fuzz/fuzz_*.c))
FUZZ_O      = $(patsubst t/fuzz/%.c,$(OBJS)/fuzz/%.o,t/fuzz/fuzz.c \
                t/fuzz/release.c t/fuzz/archive.c)

PG_INC      = $(shell pg_config --includedir 2>/dev/null)

MODULE      = $(OBJS)/ngx_http_cargo_module.so
CARGOCTL    = $(OBJS)/cargoctl
CTL_DOC     = $(OBJS)/cargoctl.8 $(OBJS)/cargoctl.bash

all: $(MODULE) $(CARGOCTL) $(CTL_DOC)
	@:

help:
	@echo "make           builds the module and cargoctl into $(OBJS)"
	@echo "make run       sets up and starts a registry: DATA=$(DATA) PORT=$(PORT)"
	@echo "make test      sets up and runs all tests (TESTS='t/yank.t ...' some)"
	@echo "make test-asan the same with ASan, LSan and UBSan in module and nginx"
	@echo "make test-valgrind  the unit tests and 27 others under memcheck"
	@echo "make lint      clang-tidy, cppcheck, shellcheck, perlcritic"
	@echo "make chaos     kills processes at random under load, 200 rounds of it"
	@echo "               (ROUNDS=500, SEED=N for the same kills again)"
	@echo "make test-upgrade FROM=REVISION  upgrades that one to this under load"
	@echo "make fuzz      fuzzes core/ by libFuzzer, $(FUZZ_SECONDS) s a target"
	@echo "               (FUZZ='frame tar ...' some, FUZZ_SECONDS=3600 at night)"
	@echo "make fuzz-http fires mutated requests at nginx with ASan and UBSan"
	@echo "               (SEED=n the same again, FUZZ_SECONDS=$(FUZZ_SECONDS))"
	@echo "make bench     measures it side by side with plain nginx and pgbench"
	@echo "               (SCALE=200000 also at the size of crates.io, ROWS='304"
	@echo "               miss ...' some, ROUNDS=$(ROUNDS), SECONDS=$(SECONDS),"
	@echo "               FROM=REVISION what is migrated)"
	@echo "make static    an nginx with the module linked in: $(OBJS)/static/nginx"
	@echo "make install   module, cargoctl, manual, sql, conf, units (DESTDIR,"
	@echo "               prefix)"
	@echo "make clean     removes $(OBJS)"
	@echo "NGX_SRC=DIR    builds against that nginx source tree"


# the module

MODULE_SRC  = config $(wildcard $(SRC)/core/* $(SRC)/pg/* $(SRC)/shm/* \
                $(SRC)/blob/* $(SRC)/http/*) $(wildcard sql/migrations/*)

$(MODULE): $(MODULE_SRC) conf/build-nginx.sh
	@OBJS="$(OBJS)" NGX_SRC="$(NGX_SRC)" CC="$(CC)" CFLAGS="$(CFLAGS)" \
	    conf/build-nginx.sh dynamic

static: $(OBJS)/static/nginx

$(OBJS)/static/nginx: $(MODULE_SRC) conf/build-nginx.sh
	@OBJS="$(OBJS)" NGX_SRC="$(NGX_SRC)" CC="$(CC)" CFLAGS="$(CFLAGS)" \
	    conf/build-nginx.sh static


# core/ alone: plain C11, no nginx, no libpq

$(OBJS)/core/%.o: $(SRC)/core/%.c $(wildcard $(SRC)/core/*.h)
	@mkdir -p $(@D)
	@echo "CC   $<"
	@$(CC) -std=c11 $(CFLAGS) $(WARN) -Wconversion -fPIC -c -o $@ $<

$(OBJS)/core/cargo_toml.o: $(SRC)/core/cargo_toml.cpp \
    $(wildcard $(SRC)/core/*.h)
	@mkdir -p $(@D)
	@echo "CXX  $<"
	@$(CXX) -std=c++17 $(CFLAGS) $(WARN) -fPIC -c -o $@ $<

$(CORE): $(CORE_O)
	@rm -f $@
	@ar rcs $@ $^


# cargoctl

$(OBJS)/ctl/%.o: $(SRC)/ctl/%.c $(wildcard $(SRC)/ctl/*.h $(SRC)/core/*.h)
	@mkdir -p $(@D)
	@echo "CC   $<"
	@$(CC) -std=c11 $(CFLAGS) $(WARN) -I$(SRC)/core -I$(PG_INC) \
	    -DCARGO_SQL_DIR='"$(datadir)/sql"' -c -o $@ $<

$(CARGOCTL): $(CTL_O) $(CORE)
	@$(CC) $(CFLAGS) -o $@ $(CTL_O) $(CORE) -lpq $(CORE_LIBS)
	@echo "built $@"

# by a name of their own first: what failed would look like what is there

$(OBJS)/cargoctl.8: $(CARGOCTL)
	@$(CARGOCTL) man > $@.new && mv $@.new $@

$(OBJS)/cargoctl.bash: $(CARGOCTL)
	@$(CARGOCTL) completion bash > $@.new && mv $@.new $@


# running and testing

packages-%:
	@conf/install-packages.sh $(subst -, ,$*)

RUN         = DATA="$(DATA)" PORT="$(PORT)" OBJS="$(OBJS)" \
              NGINX="$(NGINX)" conf/run.sh

run: packages-build-run
	@$(RUN) check
	@$(MAKE) --no-print-directory all
	@$(RUN)

$(OBJS)/unit/%: t/unit/%.c $(UNIT_C) $(wildcard t/unit/*.h) $(CORE)
	@mkdir -p $(@D)
	@echo "CC   $<"
	@$(CC) -std=c11 $(CFLAGS) $(WARN) -I$(SRC)/core -It/unit -o $@ $< \
	    $(UNIT_C) $(CORE) -lcmocka $(CORE_LIBS)

$(TOOLS): $(OBJS)/tools/%: t/tools/%.c $(CORE)
	@mkdir -p $(@D)
	@echo "CC   $<"
	@$(CC) -std=c11 $(CFLAGS) $(WARN) -I$(SRC)/core -o $@ $< $(CORE) \
	    $(CORE_LIBS)

unit: $(UNIT) $(TOOLS)
	@:


# the fuzz targets: here over the files of t/fuzz/corpus alone, by libFuzzer
# where t/fuzz/run builds them

FUZZ_MAIN   = $(OBJS)/fuzz/replay.o

$(OBJS)/fuzz/%.o: t/fuzz/%.c $(wildcard t/fuzz/*.h $(SRC)/core/*.h)
	@mkdir -p $(@D)
	@echo "CC   $<"
	@$(CC) -std=c11 $(CFLAGS) $(WARN) -D_POSIX_C_SOURCE=200809L -I$(SRC)/core \
	    -It/fuzz -c -o $@ $<

$(OBJS)/fuzz/%: $(OBJS)/fuzz/fuzz_%.o $(FUZZ_O) $(OBJS)/fuzz/replay.o $(CORE)
	@$(CXX) $(CFLAGS) -o $@ $< $(FUZZ_O) $(FUZZ_MAIN) $(CORE) $(CORE_LIBS)

replay: $(REPLAY)
	@:

.SECONDARY: $(REPLAY:$(OBJS)/fuzz/%=$(OBJS)/fuzz/fuzz_%.o) $(FUZZ_O) \
    $(OBJS)/fuzz/replay.o

TESTS       = $(sort $(wildcard t/*.t)) $(UNIT)
CHOSEN      = $(if $(filter-out file,$(origin TESTS)),$(TESTS))

test: packages-build-run-test
	@$(MAKE) --no-print-directory all unit replay
	@OBJS="$(OBJS)" CMOCKA_MESSAGE_OUTPUT=TAP \
	    prove -It/lib -j$(JOBS) --timer $(TESTS)

# t/chaos.t in its long form: ROUNDS=500, SEED=N to see the same kills again

chaos: packages-build-run-test
	@$(MAKE) --no-print-directory all unit
	@OBJS="$(OBJS)" TEST_CHAOS_ROUNDS="$(ROUNDS)" \
	    TEST_CHAOS_SEED="$(SEED)" prove -It/lib --timer -v t/chaos.t

# an earlier revision is upgraded to this one under load

FROM        =

test-upgrade: packages-build-run-test
	@$(MAKE) --no-print-directory all
	@OBJS="$(OBJS)" conf/test-upgrade.sh "$(FROM)"

test-asan: packages-build-run-test
	@OBJS="$(OBJS)/asan" NGX_SRC="$(NGX_SRC)" conf/test-asan.sh $(CHOSEN)

test-valgrind: packages-build-run-test-valgrind
	@OBJS="$(OBJS)/valgrind" NGX_SRC="$(NGX_SRC)" \
	    conf/test-valgrind.sh $(CHOSEN)

lint: packages-build-lint
	@$(MAKE) --no-print-directory $(MODULE)
	@OBJS="$(OBJS)" NGX_SRC="$(NGX_SRC)" conf/lint.sh

FUZZ        =
FUZZ_SECONDS = 60
SEED        =

fuzz: packages-build-fuzz
	@OBJS="$(OBJS)" t/fuzz/run "$(FUZZ_SECONDS)" $(FUZZ)

fuzz-http: packages-build-run-test
	@OBJS="$(OBJS)/asan" NGX_SRC="$(NGX_SRC)" conf/build-asan.sh
	@OBJS="$(OBJS)/asan" t/fuzz/http --seconds "$(FUZZ_SECONDS)" \
	    $(if $(SEED),--seed "$(SEED)")

# by arguments: SECONDS is bash's own in the environment

ROWS        =
SCALE       = 0
ROUNDS      = $(if $(filter chaos,$(MAKECMDGOALS)),200,5)
SECONDS     = 2

bench: packages-build-run-bench
	@$(MAKE) --no-print-directory all
	@OBJS="$(OBJS)" t/bench/run --rows "$(ROWS)" --scale "$(SCALE)" \
	    --rounds "$(ROUNDS)" --seconds "$(SECONDS)" --from "$(FROM)"


# installing

install: all
	install -d $(DESTDIR)$(moddir) $(DESTDIR)$(bindir) \
	    $(DESTDIR)$(datadir)/sql/migrations \
	    $(DESTDIR)$(datadir)/sql/functions $(DESTDIR)$(datadir)/conf \
	    $(DESTDIR)$(mandir)/man8 $(DESTDIR)$(bashdir) \
	    $(DESTDIR)$(unitdir) \
	    $(DESTDIR)$(datadir)/conf/systemd/nginx.service.d
	install -m 0644 $(MODULE) $(DESTDIR)$(moddir)
	install -m 0755 $(CARGOCTL) $(DESTDIR)$(bindir)
	install -m 0644 $(OBJS)/cargoctl.8 $(DESTDIR)$(mandir)/man8
	install -m 0644 $(OBJS)/cargoctl.bash $(DESTDIR)$(bashdir)/cargoctl
	install -m 0644 sql/migrations/*.sql $(DESTDIR)$(datadir)/sql/migrations
	install -m 0644 sql/functions/*.sql $(DESTDIR)$(datadir)/sql/functions
	install -m 0644 conf/*.conf conf/grafana-dashboard.json \
	    conf/prometheus-alerts.yml $(DESTDIR)$(datadir)/conf
	install -m 0644 conf/systemd/*.service conf/systemd/*.timer \
	    $(DESTDIR)$(unitdir)
	sed -i 's|/usr/bin/cargoctl|$(bindir)/cargoctl|' \
	    $(DESTDIR)$(unitdir)/ngx_cargo-*.service
	install -m 0644 conf/systemd/nginx.service.d/*.conf \
	    $(DESTDIR)$(datadir)/conf/systemd/nginx.service.d

clean:
	rm -rf $(OBJS)

.PHONY: all help static run unit replay test test-asan test-valgrind lint \
    test-upgrade chaos fuzz fuzz-http bench install clean packages-%
