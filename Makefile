# SPDX-License-Identifier: MIT
# Plinth's build. `make help` lists the goals.

BUILD	:= build
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
USRC	:= $(filter-out boot/main.c mm/paging.c,$(wildcard $(addsuffix /*.c,$(UROOMS))))
UOBJ	:= $(USRC:%.c=$(BUILD)/unit/%.o)
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
	$(CC) $(UCFLAGS) -o $@ $^ -lcmocka -lZydis

unit: $(T:%=$(BUILD)/unit/bin/%)
	@set -e; for t in $(T); do $(BUILD)/unit/bin/$$t; done

-include $(UOBJ:.o=.d) $(UTESTS:%=$(BUILD)/unit/tests/unit/%.d)

clean:
	rm -rf $(BUILD)

.PHONY: all unit clean
