# InfiniCache: `make` builds, `make start` runs it here, `make test` proves it.
#
#   make           build/infinicache and build/bootstrap
#   make start     platform, functions and proxy on this machine; make stop ends them
#   make check     the quick loop: warnings, unit tests, include directions, sizes, whether the mutants fit
#   make test      everything, on a fresh machine too
#   make asan      the tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   make fuzz      each fuzzer for FUZZ_SECONDS (300)
#   make sim       the whole system on virtual time: SEED=n (TRACE=1 shows all), or SEEDS=n of them
#   make sim-soak  seeds from a random beginning for MINUTES (5)
#   make sim-mutants  deliberate bugs, each of which the simulation must find
#   make bench     speed beside Redis on this machine, into bench/RESULTS.md; a quarter of an hour
#   make hostile   every bad client and fault at once for MINUTES (20), SEED=n; what a bystander saw of it
#   make acceptance  the long runs: 3 GiB, 1,000 files through every client, terraform
#   make format    clang-format over the tree
#   make install   to PREFIX (/usr/local), below DESTDIR
#
# Knobs: BUILD=dir  CC=gcc|clang  FLAVOR=release|asan|cover  JOBS=n  V=1 (shows the commands)

BUILD  ?= build
CC     := $(if $(filter default,$(origin CC)),gcc,$(CC))
FLAVOR ?= release
PREFIX ?= /usr/local
bindir     ?= $(PREFIX)/bin
libexecdir ?= $(PREFIX)/libexec
datadir    ?= $(PREFIX)/share
VERSION := 0.1.0
JOBS    ?= $(shell nproc)
Q       := $(if $(V),,@)
# Recursive calls build in parallel unless the caller said how many jobs there are.
PARALLEL = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))
SUBMAKE  = @+$(MAKE) --no-print-directory $(if $(V),,-s) $(PARALLEL)

.DELETE_ON_ERROR:
.PHONY: all packages test-packages start stop check test bench hostile acceptance asan fuzz format install clean \
        unit integration sim sim-soak sim-seeds sim-mutants mutants-fit fuzz-corpus clang-check format-check includes sizes clients
.DEFAULT_GOAL := all

# ---- packages ---------------------------------------------------------------
# What a build needs, and what the tests need beyond it (Debian's names).
BUILD_PACKAGES := gcc libc6-dev pkg-config libuv1-dev libisal-dev libcurl4-openssl-dev libssl-dev \
    libjansson-dev libxxhash-dev libmicrohttpd-dev liblmdb-dev nettle-dev libzip-dev libarchive-dev libncurses-dev
TEST_PACKAGES  := libcmocka-dev clang clang-format llvm libclang-rt-14-dev python3-pytest python3-pytest-timeout python3-redis redis-server redis-tools \
    awscli curl libhiredis-dev procps iproute2 gnuplot-nox

# Installed once per machine and package list; the stamp is named by the list.
packages_stamp = $(BUILD)/.packages-$(shell echo '$(1)' | cksum | cut -d' ' -f1)
$(call packages_stamp,$(BUILD_PACKAGES)):
	@test/install-packages $(BUILD_PACKAGES)
	@mkdir -p $(@D) && touch $@
$(call packages_stamp,$(TEST_PACKAGES)):
	@test/install-packages $(TEST_PACKAGES)
	@mkdir -p $(@D) && touch $@
packages: $(call packages_stamp,$(BUILD_PACKAGES))
test-packages: packages $(call packages_stamp,$(TEST_PACKAGES))

# ---- flags ------------------------------------------------------------------
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wundef -Wvla -Werror
FLAVOR_release := -O2
FLAVOR_asan    := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAVOR_cover   := -O1 -fprofile-instr-generate -fcoverage-mapping
# Intrusive lists reach a head both as a list and as a member of its owner. GCC 12 at -O2 took the
# two for different objects and kept a stale `next` in a register, so: no type-based aliasing.
CFLAGS   += -std=gnu11 -g -fno-strict-aliasing $(WARNINGS) $(FLAVOR_$(FLAVOR)) -Isrc -MMD -MP
LDFLAGS  += $(FLAVOR_$(FLAVOR))
CLI_DEFINES := -DIC_VERSION='"$(VERSION)"' -DIC_LIBEXEC_DIR='"$(libexecdir)/infinicache"'
# Objects are as new as the flags they were made with: a stamp is named by them.
stamp_of = $(shell echo '$(1)' | cksum | cut -d' ' -f1)
flags_stamp := $(BUILD)/.flags-$(call stamp_of,$(CC) $(CFLAGS))
cli_stamp   := $(BUILD)/.cli-$(call stamp_of,$(CLI_DEFINES))
$(flags_stamp) $(cli_stamp):
	@mkdir -p $(@D) && rm -f $(BUILD)/$(firstword $(subst -, ,$(@F)))-* && touch $@
LIBS     := -luv -lisal -lcurl -lcrypto -ljansson -lmicrohttpd -llmdb -lnettle -lzip -larchive -lm -lpthread
CLI_LIBS := -lncursesw -ltinfo

# ---- what is built ----------------------------------------------------------
# The simulated network takes the place of net_uv.c in the simulation, and nowhere else.
SIM_NET      := $(wildcard src/net/net_sim*.c) src/net/virtual_time.c
LIB_SOURCES  := $(filter-out src/node/main.c $(SIM_NET),$(wildcard src/base/*.c src/net/*.c src/proto/*.c src/code/*.c \
    src/model/*.c src/core/*.c src/simulate/*.c src/proxy/*.c src/node/*.c src/platform/*.c src/platform/local/*.c))
CLI_SOURCES  := $(wildcard src/cli/*.c)
# The function links these and nothing else (static, without the cloud's or the proxy's libraries).
NODE_SOURCES := $(wildcard src/base/*.c src/node/*.c) $(filter-out $(wildcard src/net/http_*.c) $(SIM_NET),$(wildcard src/net/*.c)) \
    $(filter-out src/proto/lambda_%.c,$(wildcard src/proto/*.c))
TEST_SOURCES := $(wildcard test/unit/test_*.c)
FUZZ_SOURCES := $(wildcard test/fuzz/fuzz_*.c)

lib_objects  := $(LIB_SOURCES:%.c=$(BUILD)/obj/%.o)
cli_objects  := $(CLI_SOURCES:%.c=$(BUILD)/obj/%.o)
node_objects := $(NODE_SOURCES:%.c=$(BUILD)/node/%.o)
# The network's own test runs on both backends.
unit_tests   := $(TEST_SOURCES:test/unit/%.c=$(BUILD)/unit/%) $(BUILD)/unit/test_net_sim
sim_net      := $(SIM_NET:%.c=$(BUILD)/obj/%.o)
fuzzers      := $(FUZZ_SOURCES:test/fuzz/%.c=$(BUILD)/fuzz/%)

all: packages
	$(SUBMAKE) $(BUILD)/infinicache $(BUILD)/bootstrap

$(BUILD)/obj/%.o: %.c $(flags_stamp)
	@mkdir -p $(@D)
	@echo '  CC    $@'
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

$(BUILD)/obj/src/cli/%.o: CFLAGS += $(CLI_DEFINES)
$(cli_objects): $(cli_stamp)

# The node is small: no unwinding tables it does not use, every function its own section.
$(BUILD)/node/%.o: %.c $(flags_stamp)
	@mkdir -p $(@D)
	@echo '  CC    $@'
	$(Q)$(CC) $(CFLAGS) -ffunction-sections -fdata-sections -c -o $@ $<

$(BUILD)/libinternal.a: $(lib_objects)
	@rm -f $@
	@echo '  AR    $@'
	$(Q)ar rcs $@ $^

# The command's parts, without its main, so that unit tests can link them.
$(BUILD)/libcli.a: $(filter-out %/main.o,$(cli_objects))
	@rm -f $@
	@echo '  AR    $@'
	$(Q)ar rcs $@ $^

$(BUILD)/infinicache: $(cli_objects) $(BUILD)/libinternal.a
	@echo '  CC    $@'
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) $(CLI_LIBS)

NODE_STATIC := $(if $(filter asan,$(FLAVOR)),,-static)
$(BUILD)/bootstrap: $(node_objects)
	@echo '  CC    $@'
	$(Q)$(CC) $(LDFLAGS) $(NODE_STATIC) -Wl,--gc-sections,-s,--no-warnings -o $@ $^ -l:libuv_a.a -l:libnettle.a -lpthread -ldl

$(BUILD)/unit/%: test/unit/%.c $(flags_stamp) $(BUILD)/libcli.a $(BUILD)/libinternal.a
	@mkdir -p $(@D)
	@echo '  CC    $@'
	$(Q)$(CC) $(CFLAGS) -Itest $(LDFLAGS) -o $@ $< $(BUILD)/libcli.a $(BUILD)/libinternal.a -lcmocka $(LIBS)

$(BUILD)/unit/test_net_sim: test/unit/test_net.c $(flags_stamp) $(sim_net) $(BUILD)/libinternal.a
	@mkdir -p $(@D)
	@echo '  CC    $@'
	$(Q)$(CC) $(CFLAGS) -Itest $(LDFLAGS) -o $@ $< $(sim_net) $(BUILD)/libinternal.a -lcmocka $(LIBS)

# ---- simulation: the products' objects, with a world of our own around them ------
SIM_SOURCES := $(wildcard test/sim/*.c)
sim_objects := $(SIM_SOURCES:%.c=$(BUILD)/obj/%.o) $(sim_net)
# What asks the system is asked instead, and who asks for window memory is watched; what the
# simulation defines itself (network, platform, journal, admin HTTP) is not taken from the archive.
SIM_WRAPPED := ic_clock_mono_us ic_clock_mono_ms ic_clock_wall_us ic_clock_wall_ms \
    ic_random_fill ic_random_u64 ic_log ic_window_admit ic_window_has_room ic_window_leave
SIM_LINK    := $(SIM_WRAPPED:%=-Wl,--wrap=%)
$(BUILD)/obj/test/sim/%.o: CFLAGS += -Itest
$(BUILD)/sim: $(sim_objects) $(BUILD)/libinternal.a
	@echo '  CC    $@'
	$(Q)$(CC) $(LDFLAGS) $(SIM_LINK) -o $@ $^ $(LIBS)

# Fuzzers: every source once more, by clang with coverage hooks and sanitizers.
FUZZ_FLAGS = $(filter-out $(FLAVOR_$(FLAVOR)),$(CFLAGS)) -O1 -fsanitize=address,undefined \
    -fno-sanitize-recover=all -fprofile-instr-generate -fcoverage-mapping
$(BUILD)/fuzz/obj/%.o: %.c $(flags_stamp)
	@mkdir -p $(@D)
	@echo '  CLANG $@'
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<
$(BUILD)/fuzz/libinternal.a: $(LIB_SOURCES:%.c=$(BUILD)/fuzz/obj/%.o)
	@rm -f $@
	@echo '  AR    $@'
	$(Q)ar rcs $@ $^
$(BUILD)/fuzz/fuzz_%: test/fuzz/fuzz_%.c $(BUILD)/fuzz/libinternal.a
	@echo '  CLANG $@'
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $< $(BUILD)/fuzz/libinternal.a $(LIBS)

# clang's opinion of every source, without code.
clang_checks := $(patsubst %.c,$(BUILD)/clang/%.ok,$(wildcard src/*/*.c src/*/*/*.c test/unit/*.c test/sim/*.c))
$(BUILD)/clang/%.ok: %.c $(flags_stamp)
	@mkdir -p $(@D)
	@echo '  CLANG $@'
	$(Q)clang $(filter-out -MMD -MP,$(CFLAGS)) $(CLI_DEFINES) -Itest -MMD -MP -MF $(@:.ok=.d) -MT $@ -fsyntax-only $<
	@touch $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- run --------------------------------------------------------------------
# More settings: make start UP="--functions 32 --memory 512mb", words as a shell reads them. Those
# that tell the folder are noted, a line for each start that succeeds, so that `make stop` ends all of
# them. What does not end (status 1) stays noted; words that tell no folder any more (status 2) do not.
# The note outlives `make clean`; without the program `make stop` builds it first.
UP ?=
started := $(BUILD)/started
start stop: private SHELL := /bin/bash
start stop: private export UP := $(UP)
read_up := eval "words=($$UP)"; place=(); \
	for i in "$${!words[@]}"; do case $${words[i]} in \
	    --dir|--config) place+=("$${words[@]:i:2}");; \
	    --dir=*|--config=*) place+=("$${words[i]}");; esac; done; note=$${place[*]@Q}
start: all
	@$(read_up); $(BUILD)/infinicache up "$${words[@]}" && echo "$$note" >>$(started)
stop: $(if $(wildcard $(BUILD)/infinicache),,all)
	@touch $(started); $(read_up); \
	if [ -n "$$note" ]; then \
	    $(BUILD)/infinicache down "$${place[@]}" && { grep -vxF -e "$$note" $(started) >$(started).left; mv $(started).left $(started); }; \
	elif [ -s $(started) ]; then \
	    failed=0; : >$(started).left; \
	    while read -r place; do eval "$(BUILD)/infinicache down $$place" </dev/null || { \
	        [ $$? -eq 2 ] || echo "$$place" >>$(started).left; failed=1; }; done < <(sort -ru $(started)); \
	    mv $(started).left $(started); [ -s $(started) ] || rm $(started); exit $$failed; \
	else $(BUILD)/infinicache down; fi

install: all
	install -D $(BUILD)/infinicache $(DESTDIR)$(bindir)/infinicache
	install -D $(BUILD)/bootstrap $(DESTDIR)$(libexecdir)/infinicache/bootstrap
	install -D -m 644 doc/infinicache.conf $(DESTDIR)$(datadir)/doc/infinicache/infinicache.conf

# ---- tests ------------------------------------------------------------------
CLIENTS ?= $(BUILD)/clients
PYTEST := BUILD=$(abspath $(BUILD)) CLIENTS=$(abspath $(CLIENTS)) /usr/bin/python3 -B -m pytest -q -p no:cacheprovider
FUZZ_SECONDS ?= 300
SEEDS   ?= 200
MINUTES ?= 5
MUTANT_SEEDS ?= 2000
formatted := $(wildcard src/*/*.[ch] src/*/*/*.[ch] test/*.h test/sim/*.[ch] test/unit/*.[ch] test/fuzz/*.c bench/*.c)

check: test-packages all
	$(SUBMAKE) clang-check format-check includes sizes mutants-fit
	$(SUBMAKE) unit
	$(SUBMAKE) sim-seeds

test: check clients
	$(SUBMAKE) fuzz-corpus
	$(SUBMAKE) sim-mutants
	$(SUBMAKE) integration

unit: $(unit_tests)
	@test/run-unit $^

sim: packages
	$(SUBMAKE) sim-seeds
sim-seeds: $(BUILD)/sim
	@$< $(if $(SEED),--seed $(SEED) $(if $(TRACE),--trace),--seeds $(SEEDS))
# Deliberate bugs; each must be found, and fit the sources.
mutants-fit:
	@test/sim/mutants fit
sim-mutants: packages
	$(SUBMAKE) $(BUILD)/sim
	@test/sim/mutants $(BUILD) $(MUTANT_SEEDS) $(MUTANT) -- $(CC) $(filter-out -MMD -MP,$(CFLAGS)) -- \
	    $(LDFLAGS) $(SIM_LINK) $(sim_objects) $(BUILD)/libinternal.a -- $(LIBS)
sim-soak: packages
	$(SUBMAKE) $(BUILD)/sim
	@$(BUILD)/sim --minutes $(MINUTES)

integration: $(BUILD)/infinicache $(BUILD)/bootstrap
	@BUILD=$(abspath $(BUILD)) CLIENTS=$(abspath $(CLIENTS)) test/run-integration $(JOBS) 'not acceptance'

acceptance: test-packages all clients
	@$(PYTEST) test/integration -m acceptance

hostile: MINUTES = 20
hostile: test-packages all
	@BUILD=$(abspath $(BUILD)) test/hostile --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# BENCH="--only 'GET 100 MB'" runs some of it.
BENCH_PACKAGES := redis-server python3-redis python3-pytest iperf3 iproute2 libjemalloc2
$(call packages_stamp,$(BENCH_PACKAGES)):
	@test/install-packages $(BENCH_PACKAGES)
	@mkdir -p $(@D) && touch $@
$(BUILD)/kernels: bench/kernels.c $(flags_stamp) $(BUILD)/libinternal.a
	@echo '  CC    $@'
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/libinternal.a $(LIBS)
bench: $(call packages_stamp,$(BENCH_PACKAGES)) all
	$(SUBMAKE) $(BUILD)/kernels
	@BUILD=$(abspath $(BUILD)) bench/beside-redis $(BENCH)

# The tests that move bytes, with every binary instrumented.
asan: test-packages clients
	@+$(MAKE) --no-print-directory $(PARALLEL) FLAVOR=asan BUILD=$(BUILD)/asan CLIENTS=$(CLIENTS) SEEDS=100 unit sim-seeds asan-integration
.PHONY: asan-integration
asan-integration: $(BUILD)/infinicache $(BUILD)/bootstrap
	@BUILD=$(abspath $(BUILD)) CLIENTS=$(abspath $(CLIENTS)) test/run-integration $(JOBS) 'not acceptance and not slow'

clang-check: $(clang_checks)
format-check:
	@clang-format --dry-run -Werror $(formatted)
format: test-packages
	clang-format -i $(formatted)
includes:
	@test/check-includes
sizes:
	@test/report-sizes

# Each fuzzer over its stored corpus, once; `make fuzz` goes on from there.
fuzz-corpus: $(fuzzers)
	@for f in $^; do \
	    LLVM_PROFILE_FILE=$(BUILD)/fuzz/last.profraw $$f -runs=0 test/fuzz/corpus/$${f##*/fuzz_} >$$f.log 2>&1 || { cat $$f.log; exit 1; }; done
	@echo "fuzz corpora: $(words $^) fuzzers, no crash"
fuzz: test-packages
	$(SUBMAKE) $(fuzzers)
	@for f in $(fuzzers); do name=$${f##*/fuzz_}; mkdir -p $(BUILD)/corpus/$$name && \
	    LLVM_PROFILE_FILE=$(BUILD)/fuzz/$$name.profraw $$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
	        -artifact_prefix=$(BUILD)/fuzz/ $(BUILD)/corpus/$$name test/fuzz/corpus/$$name || exit 1; done

# Node clients, pinned; without node or npm Debian's are installed, and without those the tests skip.
clients: $(CLIENTS)/.installed
$(CLIENTS)/.installed: test/integration/clients/package.json test/integration/clients/package-lock.json
	@mkdir -p $(@D) && cp $^ $(@D)
	@command -v npm >/dev/null || test/install-packages nodejs npm || true
	@if cd $(@D) && npm ci --no-audit --no-fund --loglevel=error; then touch .installed; \
	    else echo "no npm, or no registry: the tests with ioredis and node-redis are skipped"; fi

clean:
	@[ ! -d $(BUILD) ] || find $(BUILD) -mindepth 1 -maxdepth 1 ! -name $(notdir $(started)) -exec rm -rf {} +
	@if [ -s $(started) ]; then echo 'what `make start` started runs on; `make stop` ends it'; else rm -rf $(BUILD); fi
