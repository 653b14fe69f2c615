# SPDX-License-Identifier: MIT
# Plinth's build. `make help` lists the goals.

BUILD	?= build
# `make DEBUG=1` builds with checks before each entry, into a directory of its own.
DEBUG	?=
ifneq ($(filter-out 0,$(DEBUG)),)
override BUILD := $(patsubst %/debug,%,$(BUILD))/debug
endif
CC	:= gcc
LD	:= ld
NASM	:= nasm
OBJCOPY	:= objcopy

# `make V=1` shows the commands.
V	?= 0
Q	:= $(if $(filter 0,$(V)),@,)
say	= $(if $(filter 0,$(V)),@echo "  $(1)",@:)

.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

WARN	:= -Wall -Wextra -Werror -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	   -Wundef -Wpointer-arith -Wcast-align -Wwrite-strings -Wvla
CFLAGS	:= -std=gnu17 -O2 -g -ffreestanding -fno-pic -fno-pie -mcmodel=small -mno-red-zone \
	   -mgeneral-regs-only -fno-stack-protector -fno-omit-frame-pointer -fno-asynchronous-unwind-tables \
	   -fno-strict-aliasing -fcf-protection=none -fno-common -ffunction-sections \
	   -iquote include $(WARN)
LDFLAGS	:= -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none --gc-sections

# --- the image ---------------------------------------------------------------------------------

ROOMS	:= boot boot/guest arch/cpu arch/vcpu svm vmx mm dev debug
CSRC	:= $(wildcard $(addsuffix /*.c,$(ROOMS)))
# Parts of debug builds only.
DSRC	:= debug/entry_debug.c svm/debug_entry.c vmx/debug_entry.c
ifneq ($(filter-out 0,$(DEBUG)),)
CFLAGS	+= -DPLINTH_DEBUG
else
CSRC	:= $(filter-out $(DSRC),$(CSRC))
endif
ASMSRC	:= $(wildcard $(addsuffix /*.asm,$(ROOMS)))
OBJ	:= $(CSRC:%.c=$(BUILD)/%.o) $(ASMSRC:%.asm=$(BUILD)/%.asm.o)

all: $(BUILD)/plinth.elf

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC   $<)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# Structure offsets for nasm are generated from C, never typed: scripts/offsets.c holds the list.
$(BUILD)/offsets.inc: scripts/offsets.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -MT $@ -MF $(BUILD)/offsets.d -S -o $(BUILD)/offsets.s $<
	$(Q)sed -n 's/^.*@@\([A-Za-z0-9_]*\) [$$]*\([0-9-]*\).*/%define \1 \2/p' $(BUILD)/offsets.s > $@

$(BUILD)/%.asm.o: %.asm $(BUILD)/offsets.inc
	@mkdir -p $(@D)
	$(call say,NASM $<)
	$(Q)$(NASM) -f elf64 -g -F dwarf -Werror -i $(BUILD)/ -MD $(@:.o=.d) -o $@ $<

# nasm's dependency files leave out what %include names.
$(BUILD)/boot/guest/demo.asm.o: $(wildcard boot/guest/*.inc)

# Linked twice: the symbol table for backtraces is made from the first link.
$(BUILD)/plinth.elf: $(OBJ) linker.ld scripts/symbols
	$(call say,LINK $@)
	$(Q)scripts/symbols /dev/null > $(BUILD)/symtab.asm
	$(Q)$(NASM) -f elf64 -o $(BUILD)/symtab0.o $(BUILD)/symtab.asm
	$(Q)$(LD) $(LDFLAGS) -T linker.ld -o $(BUILD)/plinth.pass1 $(OBJ) $(BUILD)/symtab0.o
	$(Q)scripts/symbols $(BUILD)/plinth.pass1 > $(BUILD)/symtab.asm
	$(Q)$(NASM) -f elf64 -o $(BUILD)/symtab.o $(BUILD)/symtab.asm
	$(Q)$(LD) $(LDFLAGS) -T linker.ld -o $(BUILD)/plinth.elf64 $(OBJ) $(BUILD)/symtab.o
	$(Q)$(OBJCOPY) -O elf32-i386 --strip-debug $(BUILD)/plinth.elf64 $@.tmp
	$(Q)mv $@.tmp $@

-include $(OBJ:.o=.d) $(BUILD)/offsets.d

# --- unit tests on the host --------------------------------------------------------------------

UCFLAGS	:= -std=gnu17 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -iquote include $(WARN) \
	   -Wno-missing-prototypes
UROOMS	:= boot boot/guest arch/vcpu mm dev debug
USRC	:= $(filter-out boot/main.c mm/paging.c $(DSRC),$(wildcard $(addsuffix /*.c,$(UROOMS)))) \
	   vmx/controls.c vmx/fields.c vmx/ept.c vmx/check.c vmx/check_guest.c vmx/memtype.c \
	   svm/check.c
# Code that is only data to Plinth, and so to a host program.
UDATA	:= $(BUILD)/boot/guest/bios.asm.o
UOBJ	:= $(USRC:%.c=$(BUILD)/unit/%.o) $(UDATA)
UTESTS	:= $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
T	?= $(UTESTS)

$(BUILD)/unit/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC   $< (host))
	$(Q)$(CC) $(UCFLAGS) -MMD -MP -c -o $@ $<

# In each test program only what it uses is linked.
$(BUILD)/unit/libplinth.a: $(UOBJ)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/unit/bin/%: $(BUILD)/unit/tests/unit/%.o $(BUILD)/unit/tests/unit/mock.o $(BUILD)/unit/libplinth.a
	@mkdir -p $(@D)
	$(call say,LINK $@)
	$(Q)$(CC) $(UCFLAGS) -o $@ $^ -lcmocka -lZydis

unit-build: $(T:%=$(BUILD)/unit/bin/%)

unit: unit-build
	@set -e; for t in $(T); do $(BUILD)/unit/bin/$$t; done

-include $(UOBJ:.o=.d) $(UTESTS:%=$(BUILD)/unit/tests/unit/%.d)

# --- fuzzing on the host -------------------------------------------------------------------------

# `make fuzz` runs each harness for FUZZ_TIME seconds, T=fuzz_NAME one of them; FUZZ_RUNS=N is a short
# round of N inputs each, always the same ones. What it finds is in build/fuzz/found/.
FUZZ_TIME ?= 60
FUZZ_RUNS ?= 0
FUZZCC	:= clang
FSAN	:= address,undefined
FCFLAGS	:= -std=gnu17 -O1 -g -fsanitize=fuzzer-no-link,$(FSAN) -fno-sanitize-recover=all -iquote include \
	   -iquote tests/fuzz $(WARN) -Wno-missing-prototypes
FUZZES	:= $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FRUN	:= $(or $(filter fuzz_%,$(T)),$(FUZZES))
# The core's loop is played by world.c. A harness may bring what else these supply.
FSRC	:= tests/fuzz/world.c $(filter-out $(addprefix arch/vcpu/,vcpu.c exit.c event.c),$(USRC))
FLIB	:= $(FSRC:%.c=$(BUILD)/fuzz/%.o) $(UDATA)
FCOMMON	:= $(BUILD)/fuzz/tests/fuzz/quiet.o $(BUILD)/fuzz/tests/unit/mock.o

$(BUILD)/fuzz/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC   $< (fuzz))
	$(Q)$(FUZZCC) $(FCFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/libplinth.a: $(FLIB)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/fuzz/bin/%: $(BUILD)/fuzz/tests/fuzz/%.o $(FCOMMON) $(BUILD)/fuzz/libplinth.a
	@mkdir -p $(@D)
	$(call say,LD   $@)
	$(Q)$(FUZZCC) -fsanitize=fuzzer,$(FSAN) -o $@ $^ -lZydis

fuzz-build: $(FRUN:%=$(BUILD)/fuzz/bin/%)

fuzz: fuzz-build
	@FUZZ_TIME=$(FUZZ_TIME) FUZZ_RUNS=$(FUZZ_RUNS) BUILD=$(BUILD) tests/fuzz/run $(FRUN)

-include $(FLIB:.o=.d) $(FCOMMON:.o=.d) $(FUZZES:%=$(BUILD)/fuzz/tests/fuzz/%.d)

# --- guest programs: Multiboot kernels that run bare and inside ----------------------------------

# tests/guest/NAME.c with the small library beside it; tests/guest/NAME.asm stands alone.
GLIB	:= tests/guest/lib
GCFLAGS	:= $(CFLAGS) -iquote $(GLIB)
GOBJ	:= $(patsubst %.asm,$(BUILD)/%.asm.o,$(wildcard $(GLIB)/*.asm)) $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(GLIB)/*.c))
GUESTS	:= $(patsubst %.c,$(BUILD)/%.elf,$(wildcard tests/guest/*.c tests/bench/*.c)) \
	   $(patsubst %.asm,$(BUILD)/%.elf,$(wildcard tests/guest/*.asm tests/bench/*.asm))

guests: $(GUESTS)

$(BUILD)/tests/%.o: tests/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC   $< (guest))
	$(Q)$(CC) $(GCFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/%.asm.o: tests/%.asm Makefile
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -g -F dwarf -Werror -MD $(@:.o=.d) -o $@ $<

# Loaders take a 32-bit ELF file only: the image is 64-bit code in one.
define link_guest
	$(call say,LD   $@)
	$(Q)$(LD) $(LDFLAGS) --no-warn-rwx-segments -T $(GLIB)/guest.ld -o $@64 $(1)
	$(Q)$(OBJCOPY) -O elf32-i386 --strip-debug $@64 $@
endef

$(BUILD)/tests/%.elf: $(BUILD)/tests/%.o $(GOBJ) $(GLIB)/guest.ld
	$(call link_guest,$< $(GOBJ))

# 32-bit programs, for what long mode does not have.
GUESTS32 := task v8086 modes
GLIB32	:= tests/guest/lib32
GOBJ32	:= $(patsubst %.asm,$(BUILD)/%.asm.o32,$(wildcard $(GLIB32)/*.asm)) $(patsubst %.c,$(BUILD)/%.o32,$(wildcard $(GLIB32)/*.c)) \
	   $(BUILD)/$(GLIB)/tap.o32
GCFLAGS32 := $(filter-out -mcmodel=small -mno-red-zone,$(CFLAGS)) -m32 -iquote $(GLIB) -iquote $(GLIB32)

$(BUILD)/tests/%.o32: tests/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC   $< (32-bit guest))
	$(Q)$(CC) $(GCFLAGS32) -MMD -MP -MF $(@:.o32=.d32) -c -o $@ $<

$(BUILD)/tests/%.asm.o32: tests/%.asm Makefile
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf32 -g -F dwarf -Werror -MD $(@:.o32=.d32) -o $@ $<

$(GUESTS32:%=$(BUILD)/tests/guest/%.elf): $(BUILD)/tests/guest/%.elf: $(BUILD)/tests/guest/%.o32 $(GOBJ32) $(GLIB)/guest.ld
	$(call say,LD   $@)
	$(Q)$(LD) $(LDFLAGS) -m elf_i386 --no-warn-rwx-segments -T $(GLIB)/guest.ld -o $@64 $< $(GOBJ32)
	$(Q)$(OBJCOPY) --strip-debug $@64 $@

$(BUILD)/tests/%.elf: $(BUILD)/tests/%.asm.o $(GLIB)/guest.ld
	$(call link_guest,$<)

# No object is an intermediate file to be removed: the next run would make it, and all that follows, again. With a
# prerequisite anywhere, this would hold for that alone.
.SECONDARY:
-include $(GOBJ:.o=.d) $(GUESTS:.elf=.d) $(GUESTS:.elf=.asm.d) $(GOBJ32:.o32=.d32) $(GUESTS32:%=$(BUILD)/tests/guest/%.d32)

# --- what people do ------------------------------------------------------------------------------

# Variables given to make are in the environment of these scripts.
run:
	@scripts/run

debug:
	@scripts/debug

test:
	@scripts/test

test-long:
	@scripts/test --long

# The tests whose results docs/conformance.md and README.md show, and then these two.
conformance:
	@scripts/conformance --run

lint:
	@scripts/test lint

# One file at a time and only what has changed: clang-tidy takes seconds for each.
tidy: $(CSRC:%.c=$(BUILD)/tidy/%.done)

$(BUILD)/tidy/%.done: %.c $(BUILD)/%.o .clang-tidy
	@mkdir -p $(@D)
	$(call say,TIDY $<)
	$(Q)clang-tidy --quiet $< -- -std=gnu17 -ffreestanding -mgeneral-regs-only -iquote include 2>/dev/null
	@touch $@

bench: all
	@scripts/bench

doctor:
	@scripts/doctor

iso: all
	@scripts/setup image guest
	@scripts/guest
	scripts/image

clean:
	rm -rf $(BUILD)

help:
	@echo 'make          build/plinth.elf, a Multiboot kernel for GRUB and qemu -kernel'
	@echo 'make DEBUG=1  build/debug/plinth.elf: checks each entry into the guest beforehand'
	@echo 'make run      set up, build, and boot Linux on Plinth to a shell (variables: scripts/run --help)'
	@echo '                KERNEL= INITRD= CMDLINE= the guest      OPTIONS= Plinth'"'"'s command line'
	@echo '                MEM= megabytes   EMU=auto|qemu|kvm|bochs   CPU= its processor'
	@echo '                GUEST=linux|demo|bare   SETUP=no'
	@echo 'make debug    the same, stopped at Plinth'"'"'s entry: EMU=qemu in gdb, EMU=bochs in its debugger (docs/debugging.md)'
	@echo 'make test     every test; ends with the count (scripts/test --help: parts of it)'
	@echo 'make test-long  the long tests, which are in no other run (minutes each)'
	@echo 'make conformance  docs/conformance.md and the matrix of README.md from a run of the guest and system tests'
	@echo 'make unit     the unit tests alone; T=test_NAME for one'
	@echo 'make fuzz     fuzzes devices, emulator and parsers (FUZZ_TIME=60 seconds each; T=fuzz_NAME for one)'
	@echo 'make guests   the guest test programs, below build/tests'
	@echo 'make lint     format, warnings of gcc and clang, static checkers'
	@echo 'make doctor   which emulators can run Plinth on this machine, and what mends the others'
	@echo 'make bench    what an operation costs, against the peers'
	@echo 'make iso      build/plinth.iso: BIOS and UEFI, CD or USB stick'
	@echo 'make clean    removes build/ (the fetched kernel with it)'
	@echo 'make V=1      shows the commands'

.PHONY: all unit unit-build fuzz fuzz-build guests run debug test test-long conformance lint tidy bench doctor iso clean help
