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

PKGS := libcurl libcjson libsystemd libfyaml libmicrohttpd
ifneq ($(filter clean help packages demo check check-all,$(MAKECMDGOALS)),$(or $(MAKECMDGOALS),all))
  PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
  PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
endif
# libev has no .pc file in Debian 12.
LIBS_shared := -lcjson -lm
LIBS_probed := -lev $(PKG_LIBS) -lcjson -lm -lpthread

try-flag = $(shell printf 'int main(void){return 0;}' | $(CC) -Werror $(1) -x c -o /dev/null - 2>/dev/null && echo '$(1)')
WARN := -Wall -Wextra -Wshadow -Wvla -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wcast-qual \
        -Wundef -Wwrite-strings -Wpointer-arith $(if $(WERROR),-Werror)
ifdef SAN
  HARDEN := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
  LINK   := -fsanitize=$(SAN)
else
  HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE \
            $(call try-flag,-ftrivial-auto-var-init=zero)
  LINK   := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
endif
ALL_CPPFLAGS = -I. -D_GNU_SOURCE -DPROBED_VERSION='"$(VERSION)"' -DPROBED_SYSCONFDIR='"$(SYSCONFDIR)"' $(PKG_CFLAGS) $(CPPFLAGS)
ALL_CFLAGS   = -std=gnu17 $(WARN) $(HARDEN) $(CFLAGS)
ALL_LDFLAGS  = $(LINK) $(LDFLAGS)

# One archive a room of the layout, in the order of the arrows: a test of a room links that room and those below it, nothing else.
ROOMS := shared core config sys net probe store serve alert
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
below_store    := store core shared
below_serve    := serve sys config core shared
below_alert    := alert core shared
below_daemon   := daemon alert serve store probe net sys config core shared
below_routectl := routectl shared

.PHONY: all
all: $(B)/probed $(B)/routectl $(B)/relaysim

$(B)/probed: $(B)/obj/probed/main.o $(call libs,$(below_daemon))
	@echo "  LINK    $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_probed)

$(B)/routectl: $(B)/obj/routectl/main.o $(call libs,$(below_routectl))
	@echo "  LINK    $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_shared)

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
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$(ALL_LDFLAGS) -o $$@ $$^ -lcmocka $$(LIBS_probed)
endef
$(foreach r,$(ROOMS) daemon routectl,$(eval $(call unit_rule,$(r))))

# tests/sim: the daemon with virtual time and a virtual network in place of probed/sys/loop.c and probed/net/http.c.
SIM_SRC := $(sort $(wildcard tests/sim/sim_*.c))
SIM_BIN := $(patsubst tests/sim/%.c,$(B)/sim/%,$(SIM_SRC))
SIM_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(sort $(filter-out $(SIM_SRC),$(wildcard tests/sim/*.c))))
$(B)/sim/%: $(B)/obj/tests/sim/%.o $(SIM_OBJ) $(B)/obj/probed/sys/notify.o $(call libs,daemon alert serve store probe config core shared)
	@echo "  LINK    $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS_probed)

# tests/fuzz/fuzz_ROOM_x.c: LLVMFuzzerTestOneInput. Under gcc they are linked with tests/fuzz/replay.c, which plays the corpus: a regression test.
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BIN := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRC))
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/replay.o $(call libs,routectl $(below_daemon))
	@echo "  LINK    $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_probed)

BENCH_SRC := $(sort $(wildcard tests/bench/bench_*.c))
BENCH_BIN := $(patsubst tests/bench/%.c,$(B)/bench/%,$(BENCH_SRC))
$(B)/bench/%: $(B)/obj/tests/bench/%.o $(call libs,$(below_daemon))
	@echo "  LINK    $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_probed)

.PHONY: programs-for-tests
programs-for-tests: all $(UNIT_BIN) $(SIM_BIN) $(FUZZ_BIN)

-include $(shell test -d $(B)/obj && find $(B)/obj -name '*.d')

.PHONY: clean FORCE
clean:
	rm -rf build build-*
FORCE:

.DELETE_ON_ERROR:
.SECONDARY:
