# InfiniCache: `make` builds, `make start` runs it here, `make test` proves it.
#
#   make           build/infinicache and build/bootstrap
#   make start     platform, functions and proxy on this machine; make stop ends them
#   make check     the quick loop: warnings, unit tests, include directions, sizes
#   make test      everything, on a fresh machine too
#   make asan      the tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   make fuzz      each fuzzer for FUZZ_SECONDS (300)
#   make format    clang-format over the tree
#   make install   to PREFIX (/usr/local), below DESTDIR
#
# Knobs: BUILD=dir  CC=gcc|clang  FLAVOR=release|asan|cover

BUILD  ?= build
CC     := $(if $(filter default,$(origin CC)),gcc,$(CC))
FLAVOR ?= release
PREFIX ?= /usr/local
bindir     ?= $(PREFIX)/bin
libexecdir ?= $(PREFIX)/libexec

.DELETE_ON_ERROR:
.PHONY: all packages test-packages start stop check test asan fuzz format install clean \
        unit integration includes sizes help
.DEFAULT_GOAL := all

# ---- packages ---------------------------------------------------------------
# What a build needs, and what the tests need beyond it (Debian's names).
BUILD_PACKAGES := gcc libc6-dev pkg-config libuv1-dev libisal-dev libcurl4-openssl-dev libssl-dev \
    libjansson-dev libxxhash-dev libmicrohttpd-dev liblmdb-dev nettle-dev libzip-dev libncurses-dev
TEST_PACKAGES  := libcmocka-dev clang clang-format llvm libclang-rt-14-dev python3-pytest python3-redis redis-server redis-tools \
    awscli curl libhiredis-dev procps iproute2

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
CFLAGS   += -std=gnu11 -g $(WARNINGS) $(FLAVOR_$(FLAVOR)) -Isrc -MMD -MP
LDFLAGS  += $(FLAVOR_$(FLAVOR))
LIBS     := -luv -lisal -lcurl -lssl -lcrypto -ljansson -lmicrohttpd -llmdb -lnettle -lhogweed -lzip -lncurses -lm -lpthread

# ---- what is built ----------------------------------------------------------
LIB_SOURCES  := $(filter-out src/node/main.c,$(wildcard src/base/*.c src/net/*.c src/proto/*.c src/code/*.c \
    src/core/*.c src/proxy/*.c src/node/*.c src/platform/*.c src/platform/local/*.c))
CLI_SOURCES  := $(wildcard src/cli/*.c)
# The function links these and nothing else (static, without the cloud's or the proxy's libraries).
NODE_SOURCES := $(wildcard src/base/*.c src/node/*.c) $(filter-out src/net/http_server.c,$(wildcard src/net/*.c)) \
    $(filter-out src/proto/lambda_%.c,$(wildcard src/proto/*.c))
TEST_SOURCES := $(wildcard test/unit/test_*.c)
FUZZ_SOURCES := $(wildcard test/fuzz/fuzz_*.c)

lib_objects  := $(LIB_SOURCES:%.c=$(BUILD)/obj/%.o)
cli_objects  := $(CLI_SOURCES:%.c=$(BUILD)/obj/%.o)
node_objects := $(NODE_SOURCES:%.c=$(BUILD)/node/%.o)
unit_tests   := $(TEST_SOURCES:test/unit/%.c=$(BUILD)/unit/%)
fuzzers      := $(FUZZ_SOURCES:test/fuzz/%.c=$(BUILD)/fuzz/%)

all: packages
	@$(MAKE) --no-print-directory $(BUILD)/infinicache $(BUILD)/bootstrap

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

# The node is small: no unwinding tables it does not use, every function its own section.
$(BUILD)/node/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -ffunction-sections -fdata-sections -c -o $@ $<

$(BUILD)/libinternal.a: $(lib_objects)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/infinicache: $(cli_objects) $(BUILD)/libinternal.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

NODE_STATIC := $(if $(filter asan,$(FLAVOR)),,-static)
$(BUILD)/bootstrap: $(node_objects)
	$(CC) $(LDFLAGS) $(NODE_STATIC) -Wl,--gc-sections -Wl,-s -o $@ $^ -l:libuv_a.a -l:libnettle.a -lpthread -ldl

$(BUILD)/unit/%: test/unit/%.c $(BUILD)/libinternal.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -Itest $(LDFLAGS) -o $@ $< $(BUILD)/libinternal.a -lcmocka $(LIBS)

$(BUILD)/fuzz/%: test/fuzz/%.c
	@mkdir -p $(@D)
	clang $(filter-out -MMD -MP,$(CFLAGS)) -O1 -fsanitize=fuzzer,address,undefined -fprofile-instr-generate -fcoverage-mapping \
	    -o $@ $< $(wildcard src/base/*.c src/proto/*.c) -lnettle -lm

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

clean:
	rm -rf $(BUILD)
