# Starling: build, run and test. `make help` lists the targets.
# Out of tree: everything goes to $(B). Variants get folders of their own, so that they never mix.
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
SAN     ?=
OPT     ?= -O2
B       ?= build/$(CC)$(if $(SAN),-$(SAN))

PKGS_proto := libxml-2.0 openssl libidn2
PKGS       := $(PKGS_proto) libuv liburcu liburcu-cds sqlite3 yaml-0.1 jansson
CFLAGS_PKG := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS_proto := $(shell pkg-config --libs $(PKGS_proto) 2>/dev/null) -lunistring
LIBS       := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lunistring -lpthread

WARN   := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
          -Wvla -Wundef -Wformat=2 -Wno-unused-parameter
SAN_address   := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SAN_thread    := -fsanitize=thread
SAN_undefined := -fsanitize=undefined -fno-sanitize-recover=undefined
SANFLAGS := $(SAN_$(SAN))
HARDEN := -fstack-protector-strong $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fPIE
CFLAGS ?= -g
ALL_CFLAGS := -std=gnu11 $(OPT) $(CFLAGS) $(WARN) $(HARDEN) $(SANFLAGS) -fno-omit-frame-pointer -I. $(CFLAGS_PKG) -D_GNU_SOURCE
ALL_LDFLAGS := $(SANFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS)

SRC_proto   := $(wildcard proto/*/*.c)
SRC_cluster := $(wildcard cluster/*.c)
SRC_node    := $(filter-out node/main.c,$(wildcard node/*.c node/*/*.c node/*/*/*.c))
OBJ_proto   := $(SRC_proto:%.c=$(B)/%.o)
OBJ_cluster := $(SRC_cluster:%.c=$(B)/%.o)
OBJ_node    := $(SRC_node:%.c=$(B)/%.o)
UNIT_SRC    := $(wildcard tests/unit/*/*.c tests/unit/*/*/*.c)
UNIT_BIN    := $(UNIT_SRC:%.c=$(B)/%)

.PHONY: all build unit
all: build

build: $(B)/starling $(B)/starlingctl

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(B)/libproto.a: $(OBJ_proto)
	@rm -f $@
	ar rcs $@ $^
$(B)/libcluster.a: $(OBJ_cluster)
	@rm -f $@
	ar rcs $@ $^
$(B)/libnode.a: $(OBJ_node)
	@rm -f $@
	ar rcs $@ $^

$(B)/starling: $(B)/node/main.o $(B)/libnode.a $(B)/libcluster.a $(B)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
$(B)/starlingctl: $(B)/starling
	ln -sf starling $@

# Unit tests of a lower room link that room only: the linker proves the layers.
$(B)/tests/unit/proto/%: $(B)/tests/unit/proto/%.o $(B)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_proto) -lcmocka
$(B)/tests/unit/cluster/%: $(B)/tests/unit/cluster/%.o $(B)/libcluster.a $(B)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcmocka
$(B)/tests/unit/node/%: $(B)/tests/unit/node/%.o $(B)/libnode.a $(B)/libcluster.a $(B)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

unit: $(UNIT_BIN)
	@fail=0; for t in $(UNIT_BIN); do $$t || { echo "FAILED: $$t"; fail=1; }; done; exit $$fail

# Fuzz targets: clang's libFuzzer, each linked against instrumented libraries of the rooms it needs.
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_B   := build/fuzz
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(FUZZ_B)/%)
FUZZ_SECONDS ?= 10
FUZZ_CFLAGS  := -std=gnu11 -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -I. $(CFLAGS_PKG) -D_GNU_SOURCE
$(FUZZ_B)/%.o: %.c
	@mkdir -p $(@D)
	clang $(FUZZ_CFLAGS) -MMD -MP -c $< -o $@
$(FUZZ_B)/libstarling.a: $(SRC_proto:%.c=$(FUZZ_B)/%.o) $(SRC_cluster:%.c=$(FUZZ_B)/%.o) $(SRC_node:%.c=$(FUZZ_B)/%.o)
	@rm -f $@
	ar rcs $@ $^
$(FUZZ_B)/fuzz_%: $(FUZZ_B)/tests/fuzz/fuzz_%.o $(FUZZ_B)/libstarling.a
	clang -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)

-include $(shell find $(B) $(FUZZ_B) -name '*.d' 2>/dev/null)
