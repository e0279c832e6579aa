# probed: build, test and install. `make help` lists the targets.
#
# For packagers: CC, CFLAGS, CPPFLAGS, LDFLAGS, PREFIX, SBINDIR, BINDIR, MANDIR, SYSCONFDIR, UNITDIR, DESTDIR are yours.
#   V=1               show the commands
#   WERROR=1          warnings are errors (the tests use it)
#   SAN=address,undefined   a sanitizer build, in build-san/ (a build directory of its own)
#   B=DIR             the build directory
PREFIX     ?= /usr/local
SBINDIR    ?= $(PREFIX)/sbin
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
DATADIR    ?= $(PREFIX)/share/probed
SYSCONFDIR ?= /etc
UNITDIR    ?= /lib/systemd/system
INSTALL    ?= install
CFLAGS     ?= -O2 -g
B          ?= $(if $(SAN),build-san,build)
Q          := $(if $(V),,@)
VERSION    := 0.1.0

PKGS := libcurl libcjson libsystemd libfyaml libmicrohttpd sqlite3
ifneq ($(filter clean help packages demo check check-all fuzz uninstall,$(MAKECMDGOALS)),$(or $(MAKECMDGOALS),all))
  PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
  PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
  ifeq ($(PKG_LIBS),)
    $(error Libraries are missing ($(PKGS)). On Debian: make packages. Elsewhere: .ci/packages names them)
  endif
endif
# libev has no .pc file in Debian 12.
LIBS_shared := -lcjson -lm
LIBS_routectl := -lncursesw -ltinfo $(LIBS_shared)
LIBS_probed := -lev $(PKG_LIBS) -lcjson -lm -lpthread

try-flag = $(shell printf 'int main(void){return 0;}' | $(CC) -Werror $(1) -x c -o /dev/null - 2>/dev/null && echo '$(1)')
WARN := -Wall -Wextra -Wshadow -Wvla -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wcast-qual \
        -Wundef -Wwrite-strings -Wpointer-arith $(if $(WERROR),-Werror)
ifdef SAN
  HARDEN := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
  LINK   := -fsanitize=$(SAN)
  # gcc's ranges are worse under sanitizers: it warns of texts that cannot be so long.
  WARN   += $(call try-flag,-Wno-format-truncation)
else
  HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE \
            $(call try-flag,-ftrivial-auto-var-init=zero)
  LINK   := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
endif
ALL_CPPFLAGS = -I. -D_GNU_SOURCE -DPROBED_VERSION='"$(VERSION)"' -DPROBED_SYSCONFDIR='"$(SYSCONFDIR)"' $(PKG_CFLAGS) $(CPPFLAGS)
ALL_CFLAGS   = -std=gnu17 $(WARN) $(HARDEN) $(CFLAGS)
ALL_LDFLAGS  = $(LINK) $(LDFLAGS)

# One archive a room of the layout, in the order of the arrows: a test of a room links that room and those below it, nothing else.
ROOMS := shared core config sys net probe price store serve alert
dir_shared := shared
$(foreach r,$(filter-out shared,$(ROOMS)),$(eval dir_$(r) := probed/$(r)))
objs = $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard $(1)/*.c)))
$(foreach r,$(ROOMS),$(eval objs_$(r) := $(call objs,$(dir_$(r)))))
# The programs' own main.c stand outside the archives, so that tests can bring a main of their own.
objs_daemon   := $(filter-out $(B)/obj/probed/main.o,$(call objs,probed))
objs_routectl := $(filter-out $(B)/obj/routectl/main.o,$(call objs,routectl))
objs_relaysim := $(call objs,tests/relaysim)
lib = $(B)/lib/$(1).a
libs = $(foreach r,$(1),$(call lib,$(r)))
# What a room may stand on, nearest first, as the linker reads archives.
below_shared   := shared
below_core     := core shared
below_config   := config core shared
below_sys      := sys core shared
below_net      := net sys core shared
below_probe    := probe net sys config core shared
below_price    := price net sys config core shared
below_store    := store core shared
below_serve    := serve sys config core shared
below_alert    := alert core shared
below_daemon   := daemon alert serve store price probe net sys config core shared
below_routectl := routectl shared

.PHONY: all
all: $(B)/probed $(B)/routectl $(B)/relaysim

$(B)/probed: $(B)/obj/probed/main.o $(call libs,$(below_daemon))
	@echo "  LINK    $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_probed)

$(B)/routectl: $(B)/obj/routectl/main.o $(call libs,$(below_routectl))
	@echo "  LINK    $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_routectl)

$(B)/relaysim: $(objs_relaysim) $(call lib,shared)
	@echo "  LINK    $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_shared) -lssl -lcrypto -lpthread

define archive_rule
$(B)/lib/$(1).a: $$(objs_$(1))
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@ && ar crs $$@ $$^
endef
$(foreach r,$(ROOMS) daemon routectl,$(eval $(call archive_rule,$(r))))

$(B)/obj/%.o: %.c $(B)/flags
	@echo "  CC      $<"
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

# Rewritten only when the flags change, so that they rebuild what they made.
FLAGS_NOW = $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS)
$(B)/flags: FORCE
	@mkdir -p $(B)
	@printf '%s\n' '$(FLAGS_NOW)' | cmp -s - $@ || printf '%s\n' '$(FLAGS_NOW)' > $@

# --- tests ------------------------------------------------------------------------------------------------------------
# tests/unit/ROOM/test_x.c is one program, linked with ROOM and what lies below it.
UNIT_SRC := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
define unit_rule
$(B)/unit/$(1)/%: $(B)/obj/tests/unit/$(1)/%.o $$(call libs,$$(below_$(1)))
	@echo "  LINK    $$@"
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$(ALL_LDFLAGS) -o $$@ $$^ -lcmocka $$(LIBS_probed) $$(LIBS_routectl) -lssl -lcrypto
endef
$(foreach r,$(ROOMS) daemon routectl,$(eval $(call unit_rule,$(r))))

# tests/sim: the daemon with virtual time and a virtual network in place of probed/sys/loop.c and probed/net/http.c.
SIM_SRC := $(sort $(wildcard tests/sim/sim_*.c))
SIM_BIN := $(patsubst tests/sim/%.c,$(B)/sim/%,$(SIM_SRC))
SIM_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(sort $(filter-out $(SIM_SRC),$(wildcard tests/sim/*.c))))
$(B)/sim/%: $(B)/obj/tests/sim/%.o $(SIM_OBJ) $(B)/obj/probed/sys/notify.o $(call libs,daemon alert serve store price probe config core shared)
	@echo "  LINK    $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS_probed)

# tests/sim/ranking: what a table is worth. Strategies on worlds with ground truth, in virtual time; `probed replay` is one of them.
RANKING_OBJ := $(call objs,tests/sim/ranking)
$(B)/ranking: $(RANKING_OBJ) $(call libs,shared)
	@echo "  LINK    $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_shared)

# tests/fuzz/fuzz_ROOM_x.c: LLVMFuzzerTestOneInput. Under gcc they are linked with tests/fuzz/replay.c, which plays the corpus: a regression test.
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BIN := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRC))
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/replay.o $(call libs,routectl $(below_daemon))
	@echo "  LINK    $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_probed) $(LIBS_routectl)

# The same drivers with libFuzzer itself (clang); tests/fuzz/fuzz builds and runs them.
LIBFUZZER_BIN := $(patsubst tests/fuzz/%.c,$(B)/libfuzzer/%,$(FUZZ_SRC))
$(B)/libfuzzer/%: $(B)/obj/tests/fuzz/%.o $(call libs,routectl $(below_daemon))
	@echo "  LINK    $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS_probed) $(LIBS_routectl)
.PHONY: fuzz-programs
fuzz-programs: $(LIBFUZZER_BIN)

# Preloaded in tests: a disk that misbehaves on command.
$(B)/diskfault.so: tests/e2e/diskfault.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE -O2 -fPIC -shared -Wall -Wextra -o $@ $< -ldl

BENCH_SRC := $(sort $(wildcard tests/bench/bench_*.c))
BENCH_BIN := $(patsubst tests/bench/%.c,$(B)/bench/%,$(BENCH_SRC))
$(B)/bench/%: $(B)/obj/tests/bench/%.o $(call libs,$(below_daemon))
	@echo "  LINK    $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_probed) -lssl -lcrypto

.PHONY: test-programs check check-all check-sanitized fuzz bench bench-ranking demo run packages
test-programs: all $(B)/ranking $(B)/diskfault.so $(UNIT_BIN) $(SIM_BIN) $(FUZZ_BIN)

# The first two lines of README.md. Each installs what is missing, then builds in a make of its own, which sees what was installed.
check:
	@.ci/packages check
	@$(MAKE) --no-print-directory WERROR=1 -j2 test-programs
	@tests/run --build build

demo:
	@.ci/packages demo
	@$(MAKE) --no-print-directory -j2 all
	@/usr/bin/python3 tests/demo/demo.py --build build

# Both compilers, sanitizers over all tests, valgrind over the unit tests and an end-to-end run.
check-all:
	@.ci/packages check-all
	@$(MAKE) --no-print-directory WERROR=1 -j2 CC=gcc B=build test-programs $(BENCH_BIN)
	@$(MAKE) --no-print-directory WERROR=1 -j2 CC=clang B=build-clang test-programs
	@$(MAKE) --no-print-directory WERROR=1 -j2 CC=gcc SAN=address,undefined CFLAGS='-O1 -g' test-programs
	@echo "== gcc";        tests/run --build build
	@echo "== clang";      tests/run --build build-clang --only unit,sim,fuzz
	@echo "== sanitizers"; tests/run --build build-san
	@echo "== valgrind";   tests/run --build build --valgrind --only unit
	@echo "== a hundred times kill -9"; CRASH_ROUNDS=100 tests/run --build build --only e2e test_crash
	@echo "== valgrind, end to end"; PROBED_VALGRIND=1 tests/run --build build --only e2e daemon

# kill -9 at random moments, each followed by a start that has lost nothing: so many times that luck is no explanation. Half an hour for a thousand.
.PHONY: crash
CRASH_ROUNDS ?= 1000
crash: test-programs
	@CRASH_ROUNDS=$(CRASH_ROUNDS) tests/run --build $(B) --only e2e test_crash
	@TEST_ROUNDS=$(CRASH_ROUNDS) $(B)/unit/store/test_store_crash

# Minutes of real fuzzing with libFuzzer, FUZZ_SECONDS a parser.
FUZZ_SECONDS ?= 60
fuzz:
	@.ci/packages check-all
	@tests/fuzz/fuzz $(FUZZ_SECONDS)

bench: all $(BENCH_BIN)
	@tests/bench/bench $(B)

# `probed replay` against the strategies that people use today, on worlds made from seeds. RANKING: other arguments of build/ranking (--help).
RANKING ?= --seeds 1-10 --hours 2 --jobs 2
bench-ranking: all $(B)/ranking
	@$(B)/ranking --program $(B)/probed --config tests/sim/preferences.yaml $(RANKING)

# The real platforms, in the foreground, with keys from the environment. Writes only under build/.
run: all
	@mkdir -p $(B)/run
	$(B)/probed -c etc/probed.yaml -s $(B)/run/probed.sock -S $(B)/run/state

packages:
	@.ci/packages build

# --- installation -----------------------------------------------------------------------------------------------------
.PHONY: install uninstall help
MAN := probed/probed.8 probed/config/probed.yaml.5 probed/serve/probed-api.7 routectl/routectl.1
install: all
	$(INSTALL) -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man7 \
	    $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(SYSCONFDIR)/probed/platforms $(DESTDIR)$(UNITDIR) $(DESTDIR)/usr/lib/systemd/catalog \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	$(INSTALL) -m 755 $(B)/probed $(DESTDIR)$(SBINDIR)/probed
	$(INSTALL) -m 755 $(B)/routectl $(DESTDIR)$(BINDIR)/routectl
	for m in $(MAN); do $(INSTALL) -m 644 $$m $(DESTDIR)$(MANDIR)/man$${m##*.}/; done
	for f in etc/probed.yaml etc/policies.yaml etc/platforms/*.yaml; do \
	    to=$(DESTDIR)$(SYSCONFDIR)/probed/$${f#etc/}; \
	    if [ -e $$to ]; then $(INSTALL) -m 644 $$f $$to.new; echo "$$to is yours and stays; the new one is $$to.new"; \
	    else $(INSTALL) -m 644 $$f $$to; fi; done
	sed 's,@SBINDIR@,$(SBINDIR),g; s,@SYSCONFDIR@,$(SYSCONFDIR),g' etc/systemd/probed.service.in > $(DESTDIR)$(UNITDIR)/probed.service
	$(INSTALL) -m 644 etc/systemd/probed.socket $(DESTDIR)$(UNITDIR)/probed.socket
	$(INSTALL) -d $(DESTDIR)/usr/lib/sysusers.d
	$(INSTALL) -m 644 etc/systemd/probed.sysusers $(DESTDIR)/usr/lib/sysusers.d/probed.conf
	$(INSTALL) -m 644 etc/journald/probed.catalog $(DESTDIR)/usr/lib/systemd/catalog/probed.catalog
	$(INSTALL) -m 644 etc/completions/routectl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/routectl
	$(INSTALL) -m 644 etc/completions/_routectl $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_routectl

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/probed $(DESTDIR)$(BINDIR)/routectl $(DESTDIR)$(UNITDIR)/probed.service $(DESTDIR)$(UNITDIR)/probed.socket \
	    $(DESTDIR)/usr/lib/systemd/catalog/probed.catalog $(DESTDIR)/usr/lib/sysusers.d/probed.conf \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/routectl $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_routectl
	for m in $(MAN); do rm -f $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m##*/}; done

help:
	@echo 'make demo        install what is missing, build, and show probed at work on nine simulated relays'
	@echo 'make check       install what is missing, build, run all tests'
	@echo 'make             build build/probed, build/routectl and build/relaysim'
	@echo 'make run         probe the real platforms in the foreground, keys from the environment'
	@echo 'make check-all   check with both compilers, sanitizers and valgrind'
	@echo 'make bench       measure, against baselines in the same run'
	@echo 'make bench-ranking   what the ranking is worth: against published strategies, on worlds made from seeds (RANKING=--seeds 1-3)'
	@echo 'make crash       kill -9 CRASH_ROUNDS times, and what is there afterwards'
	@echo 'make fuzz        libFuzzer on every parser, FUZZ_SECONDS each'
	@echo 'make install     PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR) DESTDIR='
	@echo 'make uninstall | packages | clean'
	@echo 'Variables: CC CFLAGS LDFLAGS V=1 WERROR=1 SAN=address,undefined DEMO_SECONDS=60'

-include $(shell test -d $(B)/obj && find $(B)/obj -name '*.d')

.PHONY: clean FORCE
clean:
	rm -rf build build-*
FORCE:

.DELETE_ON_ERROR:
.SECONDARY:
