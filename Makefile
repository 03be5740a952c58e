# Starling: build, run and test. `make help` lists the targets.
# Out of tree: everything goes to $(B). Variants get folders of their own, so that they never mix.

# Several targets are made one after the other, each in a make of its own: some hand their work to another make, and two at once would write
# the same files.
ifneq ($(word 2,$(MAKECMDGOALS)),)
.PHONY: in-turn $(MAKECMDGOALS)
$(MAKECMDGOALS): in-turn
	@:
in-turn:
	@+set -e; for target in $(MAKECMDGOALS); do $(MAKE) --no-print-directory $$target; done
else

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
SAN     ?=
OPT     ?= -O2
B       ?= build/$(CC)$(if $(SAN),-$(SAN))
PREFIX  ?= /usr/local
DESTDIR ?=

# pkg-config is asked when a recipe first needs an answer, not when make starts: on a fresh machine it is installed by then.
PKGS_proto := libxml-2.0 openssl libidn2 libidn
PKGS       := $(PKGS_proto) libuv sqlite3 libpq yaml-0.1 jansson hiredis libzmq
CFLAGS_PKG  = $(eval CFLAGS_PKG := $(shell pkg-config --cflags $(PKGS)))$(CFLAGS_PKG)
LIBS_proto  = $(eval LIBS_proto := $(shell pkg-config --libs $(PKGS_proto)) -lunistring)$(LIBS_proto)
LIBS        = $(eval LIBS := $(shell pkg-config --libs $(PKGS)) -lunistring -lhttp_parser -lpthread)$(LIBS)

WARN   := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
          -Wvla -Wundef -Wformat=2 -Wno-unused-parameter
SAN_address   := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SAN_thread    := -fsanitize=thread
SAN_undefined := -fsanitize=undefined -fno-sanitize-recover=undefined
ifneq ($(SAN),)
ifeq ($(SAN_$(SAN)),)
$(error SAN is one of address thread undefined, not '$(SAN)')
endif
endif
SANFLAGS := $(SAN_$(SAN))
HARDEN := -fstack-protector-strong $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fPIE
CFLAGS ?= -g
ALL_CFLAGS  = -std=gnu11 $(OPT) $(CFLAGS) $(WARN) $(HARDEN) $(SANFLAGS) -fno-omit-frame-pointer -I. $(CFLAGS_PKG) -D_GNU_SOURCE
ALL_LDFLAGS = $(SANFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS)

SRC_proto   := $(wildcard proto/*/*.c)
SRC_cluster := $(wildcard cluster/*.c)
SRC_node    := $(filter-out node/main.c,$(wildcard node/*.c node/*/*.c node/*/*/*.c))
OBJ_proto   := $(SRC_proto:%.c=$(B)/%.o)
OBJ_cluster := $(SRC_cluster:%.c=$(B)/%.o)
OBJ_node    := $(SRC_node:%.c=$(B)/%.o)
UNIT_SRC    := $(wildcard tests/unit/*/*.c tests/unit/*/*/*.c tests/unit/*/*/*/*.c)
UNIT_BIN    := $(UNIT_SRC:%.c=$(B)/%)
# As many jobs as there are cores, unless make was told how many.
SUBMAKE      = @+$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: all build binaries toy run test walk unit unit-build corpus corpus-build cluster-build sim docs lint fuzz fuzz-build bench bench-build \
	install deb clean help cflags libs
.SECONDARY:
all: build

# ---- what people type: each installs what it needs, then works --------------------------------------------------------------
help:
	@echo 'make build     the server and starlingctl, in $(B)'
	@echo 'make run       build, and start a node with an embedded store and no configuration file (ARGS="--config FILE" and the like)'
	@echo 'make test      unit tests, fuzz corpora, conversations, load, real clients, abuse (`make unit`: the first alone; TESTS="unit script")'
	@echo 'make walk      new users with Gajim and Profanity, on screens without monitors; pictures in build/walk (WALK=gajim: that story)'
	@echo 'make lint      layers, sizes, headers, banned calls, shellcheck, clang-tidy'
	@echo 'make fuzz      every fuzz target for FUZZ_SECONDS=10 (FUZZ="jid reader": those only)'
	@echo 'make bench     cost of a message, a login and an idle session, beside a bare relay, ejabberd and Prosody where installed'
	@echo 'make docs      what in docs/ is made from the code: the options, the manual page, the metrics'
	@echo 'make install   into $$DESTDIR$$PREFIX (PREFIX=/usr/local)'
	@echo 'make deb       a Debian package, in build/deb'
	@echo 'make clean     remove build/'
	@echo 'Variables: CC=gcc|clang  SAN=address|thread|undefined  OPT=-O2  CFLAGS  LDFLAGS  STORE=sqlite|postgres'

build:
	@scripts/deps build $(filter clang,$(CC))
	$(SUBMAKE) binaries

run:
	@scripts/deps build $(filter clang,$(CC))
	@[ -x $(B)/starling ] || echo 'Building Starling: a minute or two, the first time.'
	$(SUBMAKE) -s binaries
	@exec $(B)/starling $(ARGS)

TESTS ?= unit corpus cluster script script2 load ops docs interop abuse
# Where the nodes of script, ops, interop and abuse keep their accounts: sqlite or postgres.
STORE ?= sqlite
test:
	@scripts/deps test $(filter kubernetes,$(TESTS)) $(filter clang,$(CC))
	+@B=$(B) STORE=$(STORE) tests/run $(TESTS)

# What a new user does, with Gajim and Profanity: tests/walk/README.md.
walk:
	@scripts/deps walk
	$(SUBMAKE) binaries
	@B=$(B) tests/walk/run $(WALK)

lint:
	@scripts/deps lint
	@scripts/lint

fuzz:
	@scripts/deps fuzz
	$(SUBMAKE) fuzz-build
	@FUZZ_B=$(FUZZ_B) FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(or $(FUZZ:%=$(FUZZ_B)/fuzz_%),$(FUZZ_BIN))

bench:
	@scripts/deps bench
	$(SUBMAKE) binaries bench-build
	@B=$(B) tests/bench/run $(BENCH)

# Committed, so that they can be read where nothing is built; make lint checks that they are current.
docs: build
	$(B)/starling --print-reference > docs/configuration.md
	$(B)/starlingctl --manual > docs/starlingctl.1
	$(B)/starling --print-metrics > docs/metrics.md

SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
UNITDIR    ?= $(PREFIX)/lib/systemd/system
SHARE       = $(DESTDIR)$(PREFIX)/share
FILL        = sed 's,@BINDIR@,$(PREFIX)/bin,; s,@SYSCONFDIR@,$(SYSCONFDIR),'
# An existing configuration stays as it is.
install: build
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/doc/starling $(SHARE)/man/man1 $(SHARE)/bash-completion/completions \
		$(DESTDIR)$(UNITDIR) $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(SYSCONFDIR)/starling
	install -m 755 $(B)/starling $(DESTDIR)$(PREFIX)/bin/starling
	ln -sf starling $(DESTDIR)$(PREFIX)/bin/starlingctl
	install -m 644 scripts/install/starling.1 docs/starlingctl.1 $(SHARE)/man/man1
	install -m 644 scripts/install/starlingctl.bash $(SHARE)/bash-completion/completions/starlingctl
	install -m 644 LICENSE README.md docs/*.md $(SHARE)/doc/starling
	$(B)/starling --print-defaults > $(SHARE)/doc/starling/starling.yml.example
	$(FILL) scripts/install/starling.service > $(DESTDIR)$(UNITDIR)/starling.service
	install -m 644 scripts/install/starling.socket $(DESTDIR)$(UNITDIR)/starling.socket
	install -m 644 scripts/install/starling.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/starling.conf
	[ -e $(DESTDIR)$(SYSCONFDIR)/starling/starling.yml ] || \
		install -m 644 scripts/install/starling.yml $(DESTDIR)$(SYSCONFDIR)/starling/starling.yml

# build/deb/starling_<version>_<arch>.deb, for Debian 12.
deb:
	@scripts/deps deb
	@+scripts/deb/build

clean:
	rm -rf build

# The flags, for scripts that compile or link by themselves.
cflags:
	@echo '$(ALL_CFLAGS)'
libs:
	@echo '$(LIBS)'

# ---- objects and programs ---------------------------------------------------------------------------------------------------
binaries: $(B)/starling $(B)/starlingctl

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# What a file takes in other than by #include.
$(B)/node/http/page.o: node/http/page.html
$(B)/cluster/registry_script.o: cluster/registry.lua

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

# A node with a toy service, for tests: its list of features takes the place of the library's.
$(B)/tests/toy/starling: $(B)/node/main.o $(B)/tests/toy/modules.o $(B)/tests/toy/counter.o $(B)/libnode.a $(B)/libcluster.a $(B)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
toy: $(B)/tests/toy/starling

# Unit tests of a lower room link that room only: the linker proves the layers.
$(B)/tests/unit/proto/%: $(B)/tests/unit/proto/%.o $(B)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_proto) -lcmocka
$(B)/tests/unit/cluster/%: $(B)/tests/unit/cluster/%.o $(B)/libcluster.a $(B)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcmocka
$(B)/tests/unit/node/%: $(B)/tests/unit/node/%.o $(B)/libnode.a $(B)/libcluster.a $(B)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcmocka
$(B)/tests/unit/bench/%: $(B)/tests/unit/bench/%.o $(B)/tests/bench/load_hist.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka

# Programs that run beside a real Redis; the wall clock of that is the test's, by a library that is loaded before it.
CLUSTER_SRC := $(wildcard tests/cluster/*_test.c)
CLUSTER_BIN := $(CLUSTER_SRC:%.c=$(B)/%)
MODEL_OBJ   := $(patsubst %.c,$(B)/%.o,$(wildcard tests/cluster/sim/model*.c))
$(B)/tests/cluster/%_test: $(B)/tests/cluster/%_test.o $(MODEL_OBJ) $(B)/libcluster.a $(B)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcmocka
$(B)/tests/cluster/clock_preload.so: tests/cluster/clock_preload.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 $(WARN) -fPIC -shared -o $@ $<
# A relay that spoils connections.
$(B)/tests/cluster/proxy: $(B)/tests/cluster/proxy.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^
cluster-build: $(CLUSTER_BIN) $(B)/tests/cluster/clock_preload.so $(B)/tests/cluster/proxy

# The simulator of a cluster: the cores and homes of several nodes, and around them a network and a registry that obey a seed.
SIM_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/cluster/sim/*.c))
$(B)/tests/cluster/sim/sim: $(SIM_OBJ) $(B)/libcluster.a $(B)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
sim: $(B)/tests/cluster/sim/sim

unit-build: $(UNIT_BIN)
unit: $(UNIT_BIN)
	@tests/unit/run $(UNIT_BIN)

# ---- fuzzing: clang's libFuzzer, each target linked against instrumented libraries of the rooms it needs --------------------
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_B   := build/fuzz
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(FUZZ_B)/%)
FUZZ_SECONDS ?= 10
FUZZ_CFLAGS   = -std=gnu11 -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -I. $(CFLAGS_PKG) -D_GNU_SOURCE
$(FUZZ_B)/%.o: %.c
	@mkdir -p $(@D)
	clang $(FUZZ_CFLAGS) -MMD -MP -c $< -o $@
$(FUZZ_B)/node/http/page.o: node/http/page.html
$(FUZZ_B)/cluster/registry_script.o: cluster/registry.lua
$(FUZZ_B)/libstarling.a: $(SRC_proto:%.c=$(FUZZ_B)/%.o) $(SRC_cluster:%.c=$(FUZZ_B)/%.o) $(SRC_node:%.c=$(FUZZ_B)/%.o)
	@rm -f $@
	ar rcs $@ $^
$(FUZZ_B)/fuzz_%: $(FUZZ_B)/tests/fuzz/fuzz_%.o $(FUZZ_B)/libstarling.a
	clang -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)
fuzz-build: $(FUZZ_BIN)

# The same targets without libFuzzer, fed with their seeds and with every input that once broke them: plain tests.
CORPUS_BIN := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(B)/tests/fuzz/corpus_%)
$(B)/tests/fuzz/corpus_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/corpus.o $(B)/libnode.a $(B)/libcluster.a $(B)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
corpus-build: $(CORPUS_BIN)
corpus: $(CORPUS_BIN)
	@tests/fuzz/run-corpora $(CORPUS_BIN)

# ---- load tool and floor ----------------------------------------------------------------------------------------------------
NOT_LOAD := $(addprefix tests/bench/,floor.c store_cost.c registry_cost.c mesh_cost.c routes_cost.c)
LOAD_OBJ := $(patsubst %.c,$(B)/%.o,$(filter-out $(NOT_LOAD),$(wildcard tests/bench/*.c)))
$(B)/tests/bench/load: $(LOAD_OBJ)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_proto) -lm
$(B)/tests/bench/floor: $(B)/tests/bench/floor.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^
$(B)/tests/bench/store_cost: $(B)/tests/bench/store_cost.o $(B)/libnode.a $(B)/libcluster.a $(B)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
$(B)/tests/bench/registry_cost $(B)/tests/bench/mesh_cost $(B)/tests/bench/routes_cost: %: %.o $(B)/libcluster.a $(B)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
bench-build: $(addprefix $(B)/tests/bench/,load floor store_cost registry_cost mesh_cost routes_cost)

-include $(shell find $(B) $(FUZZ_B) -name '*.d' 2>/dev/null)

endif # one target
