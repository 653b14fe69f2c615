; SPDX-License-Identifier: MIT
;
; The demonstration guest: a flat Multiboot program (Multiboot Specification 0.6.96, a.out kludge)
; that looks at the machine it runs on and says on COM1 what it saw. It knows nothing of Plinth and
; runs bare as well. Lines begin with "demo: ", what is wrong with "demo: FAIL "; every wait is
; bounded; the last line is "demo: done", then the machine is powered off through ACPI.
;
; The image is only data to Plinth, which copies it to DEMO_BASE; A() is an address there.

DEMO_BASE	equ 0x100000
%define A(label) (DEMO_BASE + ((label) - demo_image))

; Zeroed by the loader: from the end of the image to DATA_END.
DATA		equ 0x180000
PML4		equ DATA
PDPT		equ DATA + 0x1000
DIRECTORIES	equ DATA + 0x2000	; four
IDT		equ DATA + 0x6000
STACK_TOP	equ DATA + 0xa000
VARS		equ DATA + 0xa000
DATA_END	equ DATA + 0xb000

boot_magic	equ VARS + 0
boot_info	equ VARS + 4
failures	equ VARS + 8
expected	equ VARS + 12		; 1 + vector of the exception that is provoked
resume		equ VARS + 16		; and where to go on (8 bytes)
pic_ticks	equ VARS + 24
lapic_ticks	equ VARS + 28
ioapic_ticks	equ VARS + 32
strays		equ VARS + 36
pm_start	equ VARS + 40
text		equ VARS + 64		; brand string, 48 bytes and a 0

MB_HEADER_MAGIC	equ 0x1badb002
MB_FLAGS	equ 0x00010003		; aligned modules, memory sizes; addresses are given
MB_LOADER_MAGIC	equ 0x2badb002
MB_INFO_MEMORY	equ 1 << 0
MB_INFO_MMAP	equ 1 << 6
MB_MEM_UPPER	equ 8
MB_MMAP_LENGTH	equ 44
MB_MMAP_ADDR	equ 48

COM1		equ 0x3f8
LSR_THRE	equ 0x20
LSR_IDLE	equ 0x40
UART_SPIN	equ 0x100000

PM_TIMER	equ 0x608
PM1_CNT		equ 0x604
PM1_SCI_EN	equ 1
PM1_S5		equ (5 << 10) | (1 << 13)	; SLP_TYP of the DSDT's _S5, SLP_EN
SMI_CMD		equ 0xb2
ACPI_ENABLE	equ 0xf1
PM_SECOND	equ 3579545
PM_10MS		equ 35795
PM_MASK		equ 0xffffff
SPIN_LIMIT	equ 1 << 24		; should the PM timer itself stand still

PIC1		equ 0x20
PIC2		equ 0xa0
PIC_EOI		equ 0x20
PIT_CH0		equ 0x40
PIT_MODE	equ 0x43
PIT_RATE_GEN	equ 0x34		; channel 0, both bytes, mode 2
PIT_100HZ	equ 11932
CMOS		equ 0x70
CENTURY		equ 0x32
RTC_UIP		equ 0x80
RTC_BINARY	equ 0x04
PCI_ADDRESS	equ 0xcf8
PCI_DATA	equ 0xcfc
PCI_ENABLE	equ 0x80000000

LAPIC		equ 0xfee00000
LAPIC_ID	equ 0x20
LAPIC_VERSION	equ 0x30
LAPIC_EOI	equ 0xb0
LAPIC_SVR	equ 0xf0
LAPIC_TIMER	equ 0x320
LAPIC_LINT0	equ 0x350
LAPIC_INIT	equ 0x380
LAPIC_DIVIDE	equ 0x3e0
LAPIC_BY_1	equ 0xb
LAPIC_ENABLED	equ 0x1ff
LVT_EXTINT	equ 0x700
LVT_PERIODIC	equ 1 << 17
LVT_MASKED	equ 1 << 16
LAPIC_SHORT	equ 0x100000
LAPIC_LONG	equ 0x2000000
WATCHDOG_LIMIT	equ 100

IOAPIC		equ 0xfec00000
IOAPIC_WINDOW	equ 0x10
IOAPIC_VERSION	equ 1
IOAPIC_PIN2	equ 0x14		; redirection entry of the PIT's pin, low half
IOAPIC_MASKED	equ 1 << 16

VEC_UD		equ 6
VEC_PIC		equ 0x20
VEC_LAPIC	equ 0x40
VEC_IOAPIC	equ 0x41
EXCEPTIONS	equ 32
PUSHES_ERROR	equ 0x60227d00		; #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX

CR0_PG		equ 1 << 31
CR4_PAE		equ 1 << 5
MSR_EFER	equ 0xc0000080
EFER_LME	equ 1 << 8
PTE_TABLE	equ 0x03
PTE_LARGE	equ 0x83
PTE_UNCACHED	equ 0x10
SEL_CODE64	equ 0x08
SEL_DATA	equ 0x10

global demo_image
global demo_image_end

section .rodata.demo progbits alloc noexec nowrite align=16

demo_image:
	bits 32
	jmp start

	align 4
header:
	dd MB_HEADER_MAGIC, MB_FLAGS, -(MB_HEADER_MAGIC + MB_FLAGS)
	dd A(header), DEMO_BASE, A(demo_image_end), DATA_END, A(start)

; --- output: the same bytes serve both modes, so no INC, DEC or absolute address here ------------

; AL to COM1. Keeps all registers.
putc:
	push eax
	push ecx
	push edx
	mov ah, al
	mov ecx, UART_SPIN
.wait:
	mov edx, COM1 + 5
	in al, dx
	test al, LSR_THRE
	jnz .ready
	sub ecx, 1
	jnz .wait
.ready:
	mov al, ah
	mov edx, COM1
	out dx, al
	pop edx
	pop ecx
	pop eax
	ret

; The text at ESI, up to its 0.
puts:
	push eax
	push esi
.next:
	lodsb
	test al, al
	jz .done
	call putc
	jmp .next
.done:
	pop esi
	pop eax
	ret

; say "text", byte...
%macro say 1+
	jmp %%over
%%text:
	db %1, 0
%%over:
	mov esi, A(%%text)
	call puts
%endmacro

%macro fail 1+
	say "demo: FAIL ", %1, 13, 10
	add dword [abs failures], 1
%endmacro

%macro newline 0
	say 13, 10
%endmacro

; --- 32-bit entry ---------------------------------------------------------------------------------

start:
	cli
	cld
	mov esp, STACK_TOP
	mov [boot_magic], eax
	mov [boot_info], ebx

	mov esi, A(uart_setup)
	mov ecx, (uart_setup_end - uart_setup) / 2
.uart:
	movzx edx, byte [esi]
	add edx, COM1
	mov al, [esi + 1]
	out dx, al
	add esi, 2
	loop .uart

	say "demo: the demonstration guest", 13, 10
	mov eax, 0x80000000
	cpuid
	cmp eax, 0x80000001
	jb .no_long_mode
	mov eax, 0x80000001
	cpuid
	bt edx, 29
	jc .long_mode
.no_long_mode:
	say "demo: FAIL the processor has no long mode", 13, 10
	jmp power_off

.long_mode:
	mov dword [PML4], PDPT + PTE_TABLE
	xor ecx, ecx
.pdpt:
	mov eax, ecx
	shl eax, 12
	add eax, DIRECTORIES + PTE_TABLE
	mov [PDPT + ecx * 8], eax
	add ecx, 1
	cmp ecx, 4
	jb .pdpt
	xor ecx, ecx
.pages:
	mov eax, ecx
	shl eax, 21
	or eax, PTE_LARGE
	cmp ecx, 3 * 512
	jb .cached
	or eax, PTE_UNCACHED
.cached:
	mov [DIRECTORIES + ecx * 8], eax
	add ecx, 1
	cmp ecx, 4 * 512
	jb .pages

	mov eax, PML4
	mov cr3, eax
	mov eax, cr4
	or eax, CR4_PAE
	mov cr4, eax
	mov ecx, MSR_EFER
	rdmsr
	or eax, EFER_LME
	wrmsr
	mov eax, cr0
	or eax, CR0_PG
	mov cr0, eax
	lgdt [A(gdt_pointer)]
	jmp SEL_CODE64:A(long_mode)

; --- 64-bit ---------------------------------------------------------------------------------------

	bits 64
	default abs

; RAX in decimal.
put_dec:
	push rax
	push rcx
	push rdx
	mov ecx, 10
	xor edx, edx
	div rcx
	test rax, rax
	jz .last
	call put_dec
.last:
	lea eax, [rdx + '0']
	call putc
	pop rdx
	pop rcx
	pop rax
	ret

; The low ECX digits of RAX in hexadecimal.
put_hex:
	push rax
	push rcx
	push rdx
	mov rdx, rax
.next:
	sub ecx, 1
	push rcx
	shl ecx, 2
	mov rax, rdx
	shr rax, cl
	pop rcx
	and eax, 15
	cmp al, 10
	jb .digit
	add al, 'a' - '0' - 10
.digit:
	add al, '0'
	call putc
	test ecx, ecx
	jnz .next
	pop rdx
	pop rcx
	pop rax
	ret

; EAX: PM timer ticks since pm_mark.
pm_elapsed:
	push rdx
	mov edx, PM_TIMER
	in eax, dx
	sub eax, [pm_start]
	and eax, PM_MASK
	pop rdx
	ret

pm_mark:
	push rax
	push rdx
	mov edx, PM_TIMER
	in eax, dx
	mov [pm_start], eax
	pop rdx
	pop rax
	ret

; Waits with interrupts on until the counter at RDI reaches EBX; CF = not within a second.
wait_count:
	push rcx
	call pm_mark
	mov ecx, SPIN_LIMIT
	sti
.poll:
	cmp [rdi], ebx
	jae .reached
	call pm_elapsed
	cmp eax, PM_SECOND
	ja .late
	pause
	sub ecx, 1
	jnz .poll
.late:
	cli
	pop rcx
	stc
	ret
.reached:
	cli
	pop rcx
	clc
	ret

long_mode:
	mov eax, SEL_DATA
	mov ds, eax
	mov es, eax
	mov ss, eax
	mov esp, STACK_TOP
	mov r14d, LAPIC		; for good: an address above 2 GiB fits no displacement
	mov r15d, IOAPIC
	call make_idt

	cmp dword [boot_magic], MB_LOADER_MAGIC
	je .booted
	fail "EAX at entry is not the Multiboot magic"
.booted:
	call see_processor
	call see_features
	call see_hypervisor
	call see_memory
	call see_tables
	call see_clock
	call see_pci
	call see_exception
	call see_tsc
	call see_apics
	call see_lapic_timer
	call see_pit
	call see_ioapic
	mov eax, [strays]
	test eax, eax
	jz .no_strays
	say "demo: stray interrupts: "
	call put_dec
	newline
.no_strays:
	say "demo: failures: "
	mov eax, [failures]
	call put_dec
	newline
	call acpi_enable
	say "demo: done", 13, 10
	jmp power_off

; --- the processor ----------------------------------------------------------------------------------

; Stores EAX, EBX, ECX, EDX at RDI and advances it.
store_leaf:
	stosd
	mov [rdi], ebx
	mov [rdi + 4], ecx
	mov [rdi + 8], edx
	add rdi, 12
	ret

; Ends the text that was stored and prints it without leading blanks.
put_text:
	mov byte [rdi], 0
	mov esi, text
.blank:
	cmp byte [rsi], ' '
	jne .print
	add esi, 1
	jmp .blank
.print:
	jmp puts

see_processor:
	say "demo: processor: "
	xor eax, eax
	cpuid
	mov edi, text
	mov [rdi], ebx
	mov [rdi + 4], edx
	mov [rdi + 8], ecx
	add edi, 12
	push rax
	call put_text
	pop rax
	say ", highest leaf 0x"
	mov ecx, 2
	call put_hex
	mov eax, 1
	cpuid
	say ", signature 0x"
	mov ecx, 8
	call put_hex
	newline

	mov eax, 0x80000000
	cpuid
	cmp eax, 0x80000004
	jb .no_brand
	mov edi, text
	mov r8d, 0x80000002
.brand:
	mov eax, r8d
	cpuid
	call store_leaf
	add r8d, 1
	cmp r8d, 0x80000004
	jbe .brand
	say "demo: brand: "
	call put_text
	newline
.no_brand:
	mov eax, 0x80000000
	cpuid
	cmp eax, 0x80000008
	jb .done
	mov eax, 0x80000008
	cpuid
	say "demo: address bits: physical "
	mov ecx, eax
	movzx eax, cl
	call put_dec
	say ", linear "
	movzx eax, ch
	call put_dec
	newline
.done:
	ret

; The name of each bit of the table that CPUID shows.
see_features:
	say "demo: features:"
	mov r8d, A(features)
.next:
	mov r9d, [r8]
	mov eax, r9d
	and eax, 0x80000000
	cpuid
	cmp eax, r9d
	jb .absent
	mov eax, r9d
	xor ecx, ecx
	cpuid
	movzx r10d, byte [r8 + 4]
	cmp r10d, REG_B
	cmove eax, ebx
	cmp r10d, REG_C
	cmove eax, ecx
	cmp r10d, REG_D
	cmove eax, edx
	movzx ecx, byte [r8 + 5]
	bt eax, ecx
	jnc .absent
	mov al, ' '
	call putc
	lea esi, [r8 + 6]
	call puts
.absent:
	add r8d, FEATURE_SIZE
	cmp r8d, A(features_end)
	jb .next
	newline
	ret

see_hypervisor:
	mov eax, 1
	cpuid
	bt ecx, 31
	jc .present
	say "demo: hypervisor: none that shows itself", 13, 10
	ret
.present:
	mov eax, 0x40000000
	cpuid
	mov edi, text
	mov [rdi], ebx
	mov [rdi + 4], ecx
	mov [rdi + 8], edx
	add edi, 12
	say "demo: hypervisor: "
	call put_text
	newline
	ret

see_exception:
	mov dword [expected], VEC_UD + 1
	mov qword [resume], A(.after)
	ud2
.after:
	cmp dword [expected], 0
	jne .wrong
	say "demo: exception: UD2 raised #UD and was handled", 13, 10
	ret
.wrong:
	fail "UD2 raised no exception"
	mov dword [expected], 0
	ret

see_tsc:
	call pm_mark
	mov r9d, SPIN_LIMIT
	rdtsc
	mov r8d, eax
.wait:
	call pm_elapsed
	cmp eax, PM_10MS
	jae .over
	sub r9d, 1
	jnz .wait
	fail "the PM timer stands still"
	ret
.over:
	mov ecx, eax
	rdtsc
	sub eax, r8d
	mov edx, PM_SECOND
	mul rdx			; ticks * Hz / elapsed = TSC Hz; below 2^64
	div rcx
	xor edx, edx
	mov ecx, 1000000
	div rcx
	say "demo: TSC: "
	call put_dec
	say " MHz by the PM timer", 13, 10
	ret

; --- memory and tables --------------------------------------------------------------------------------

see_memory:
	mov ebx, [boot_info]
	test dword [rbx], MB_INFO_MMAP
	jz .no_map
	mov esi, [rbx + MB_MMAP_ADDR]
	mov edi, [rbx + MB_MMAP_LENGTH]
	add edi, esi
	xor r8d, r8d
	mov r9d, 256		; entries that are read at most
.next:
	cmp esi, edi
	jae .sum
	cmp dword [rsi + 20], 1
	jne .not_ram
	add r8, [rsi + 12]
.not_ram:
	mov eax, [rsi]
	lea esi, [rsi + rax + 4]
	sub r9d, 1
	jnz .next
.sum:
	say "demo: memory: "
	mov rax, r8
	shr rax, 10
	call put_dec
	say " KiB of RAM", 13, 10
	shr r8, 20
	jnz .done
	fail "the memory map shows no RAM"
.done:
	ret
.no_map:
	fail "there is no memory map"
	ret

see_tables:
	mov edi, 0xe0000
	mov rax, "RSD PTR "
.next:
	cmp [rdi], rax
	je .found
.again:
	add edi, 16
	cmp edi, 0x100000
	jb .next
	fail "there is no ACPI root pointer"
	ret
.found:
	xor edx, edx
	xor ecx, ecx
.sum:
	add dl, [rdi + rcx]
	add ecx, 1
	cmp ecx, 20
	jb .sum
	test dl, dl
	jnz .again
	say "demo: ACPI: root pointer at 0x"
	mov eax, edi
	mov ecx, 5
	call put_hex
	say ", revision "
	movzx eax, byte [rdi + 15]
	call put_dec
	newline
	ret

; --- devices by port --------------------------------------------------------------------------------

; CMOS register AL to AL.
cmos:
	push rdx
	mov edx, CMOS
	out dx, al
	mov edx, CMOS + 1
	in al, dx
	pop rdx
	ret

; RTC register AL, two decimal digits; the character in AH follows, if any. R9B: register B.
put_clock:
	push rax
	call cmos
	movzx eax, al
	test r9b, RTC_BINARY
	jz .bcd
	mov cl, 10
	div cl			; AL tens, AH units
	shl al, 4
	or al, ah
	movzx eax, al
.bcd:
	mov ecx, 2
	call put_hex
	pop rax
	mov al, ah
	test al, al
	jnz putc
	ret

see_clock:
	mov al, 0x0b
	call cmos
	mov r9d, eax
	mov ecx, SPIN_LIMIT
.update:
	mov al, 0x0a
	call cmos
	test al, RTC_UIP
	jz .steady
	sub ecx, 1
	jnz .update
	fail "the clock's update never ends"
	ret
.steady:
	say "demo: clock: "
	mov eax, CENTURY
	call put_clock
	mov eax, '-' << 8 | 9
	call put_clock
	mov eax, '-' << 8 | 8
	call put_clock
	mov eax, ' ' << 8 | 7
	call put_clock
	mov eax, ':' << 8 | 4
	call put_clock
	mov eax, ':' << 8 | 2
	call put_clock
	mov eax, 13 << 8 | 0
	call put_clock
	mov al, 10
	call putc
	mov al, 8
	call cmos
	sub al, 1
	cmp al, 0x12
	jb .done
	fail "the clock's month is impossible"
.done:
	ret

see_pci:
	mov edx, PCI_ADDRESS
	mov eax, PCI_ENABLE
	out dx, eax
	mov edx, PCI_DATA
	in eax, dx
	cmp ax, -1
	je .none
	say "demo: PCI: host bridge "
	mov ecx, 4
	call put_hex
	push rax
	mov al, ':'
	call putc
	pop rax
	shr eax, 16
	mov ecx, 4
	call put_hex
	newline
	ret
.none:
	fail "there is no PCI host bridge"
	ret

; --- interrupts -------------------------------------------------------------------------------------

see_apics:
	mov eax, [r14 + LAPIC_VERSION]
	lea ecx, [rax + 1]
	cmp ecx, 2
	jb .no_lapic
	say "demo: LAPIC: id "
	push rax
	mov eax, [r14 + LAPIC_ID]
	shr eax, 24
	call put_dec
	pop rax
	say ", version 0x"
	mov ecx, 2
	call put_hex
	newline
	jmp .ioapic
.no_lapic:
	fail "there is no LAPIC"
.ioapic:
	mov dword [r15], IOAPIC_VERSION
	mov eax, [r15 + IOAPIC_WINDOW]
	lea ecx, [rax + 1]
	cmp ecx, 2
	jb .no_ioapic
	say "demo: IOAPIC: version 0x"
	mov ecx, 2
	call put_hex
	say ", inputs "
	shr eax, 16
	movzx eax, al
	add eax, 1
	call put_dec
	newline
	ret
.no_ioapic:
	fail "there is no IOAPIC"
	ret

; The 8259s are masked before LINT0 is: QEMU delivers a vector that does not exist otherwise.
see_lapic_timer:
	call mask_pics
	mov dword [r14 + LAPIC_SVR], LAPIC_ENABLED
	mov dword [r14 + LAPIC_LINT0], LVT_MASKED
	mov dword [r14 + LAPIC_DIVIDE], LAPIC_BY_1
	mov dword [r14 + LAPIC_TIMER], VEC_LAPIC
	mov dword [r14 + LAPIC_INIT], LAPIC_SHORT
	mov edi, lapic_ticks
	mov ebx, 1
	call wait_count
	jc .none
	say "demo: LAPIC timer: interrupted", 13, 10
	ret
.none:
	fail "the LAPIC timer did not interrupt"
	ret

; 8254 through the 8259s, first polled, then with HLT under the LAPIC timer's watch.
see_pit:
	mov esi, A(pic_setup)
	mov ecx, (pic_setup_end - pic_setup) / 2
.setup:
	movzx edx, byte [rsi]
	mov al, [rsi + 1]
	out dx, al
	add esi, 2
	loop .setup
	mov dword [r14 + LAPIC_LINT0], LVT_EXTINT
	mov al, PIT_RATE_GEN
	out PIT_MODE, al
	mov al, PIT_100HZ & 0xff
	out PIT_CH0, al
	mov al, PIT_100HZ >> 8
	out PIT_CH0, al
	mov edi, pic_ticks
	mov ebx, 1
	call wait_count
	jc .none
	cmp dword [lapic_ticks], 0
	je .no_watch

	mov dword [lapic_ticks], 0
	mov dword [r14 + LAPIC_TIMER], VEC_LAPIC | LVT_PERIODIC
	mov dword [r14 + LAPIC_INIT], LAPIC_LONG
	mov dword [pic_ticks], 0
	call pm_mark
.sleep:
	sti
	hlt
	cli
	cmp dword [lapic_ticks], WATCHDOG_LIMIT
	ja .late
	cmp dword [pic_ticks], 10
	jb .sleep
	call pm_elapsed
	mov ecx, PM_SECOND / 1000
	xor edx, edx
	div ecx
	mov dword [r14 + LAPIC_INIT], 0
	push rax
	say "demo: 8254: "
	mov eax, [pic_ticks]
	call put_dec
	say " timer interrupts through the 8259 ended HLT, "
	pop rax
	call put_dec
	say " ms", 13, 10
	jmp .mask
.none:
	fail "the 8254 did not interrupt through the 8259"
	jmp .mask
.late:
	mov dword [r14 + LAPIC_INIT], 0
	fail "the 8254's interrupts do not end HLT"
	jmp .mask
.no_watch:
	say "demo: 8254: interrupted; HLT is left out, nothing would end it for certain", 13, 10
.mask:
	mov dword [r14 + LAPIC_TIMER], LVT_MASKED
	call mask_pics
	mov dword [r14 + LAPIC_LINT0], LVT_MASKED
	ret

mask_pics:
	mov al, 0xff
	out PIC1 + 1, al
	out PIC2 + 1, al
	ret

see_ioapic:
	mov dword [r15], IOAPIC_PIN2 + 1
	mov eax, [r14 + LAPIC_ID]
	mov [r15 + IOAPIC_WINDOW], eax
	mov dword [r15], IOAPIC_PIN2
	mov dword [r15 + IOAPIC_WINDOW], VEC_IOAPIC
	mov edi, ioapic_ticks
	mov ebx, 5
	call wait_count
	pushfq
	mov dword [r15], IOAPIC_PIN2
	mov dword [r15 + IOAPIC_WINDOW], IOAPIC_MASKED
	popfq
	jc .none
	say "demo: IOAPIC: "
	mov eax, [ioapic_ticks]
	call put_dec
	say " timer interrupts through pin 2", 13, 10
	ret
.none:
	fail "the 8254 did not interrupt through the IOAPIC"
	ret

; --- handlers ---------------------------------------------------------------------------------------

; An IDT entry for vector ECX with the handler at EAX.
set_gate:
	push rdx
	mov edx, ecx
	shl edx, 4
	add edx, IDT
	mov [rdx], ax
	mov word [rdx + 2], SEL_CODE64
	mov word [rdx + 4], 0x8e00	; present, DPL 0, 64-bit interrupt gate
	shr eax, 16
	mov [rdx + 6], ax
	pop rdx
	ret

make_idt:
	xor ecx, ecx
	mov ebx, A(exceptions)
.exception:
	mov eax, ebx
	call set_gate
	add ebx, EXCEPTION_STUB
	add ecx, 1
	cmp ecx, EXCEPTIONS
	jb .exception
.stray:
	mov eax, A(on_stray)
	call set_gate
	add ecx, 1
	cmp ecx, 256
	jb .stray
	mov eax, A(on_pic)
	mov ecx, VEC_PIC
	call set_gate
	mov eax, A(on_lapic)
	mov ecx, VEC_LAPIC
	call set_gate
	mov eax, A(on_ioapic)
	mov ecx, VEC_IOAPIC
	call set_gate
	lidt [A(idt_pointer)]
	ret

on_pic:
	push rax
	add dword [pic_ticks], 1
	mov al, PIC_EOI
	out PIC1, al
	pop rax
	iretq

on_lapic:
	add dword [lapic_ticks], 1
	mov dword [r14 + LAPIC_EOI], 0
	iretq

on_ioapic:
	add dword [ioapic_ticks], 1
	mov dword [r14 + LAPIC_EOI], 0
	iretq

on_stray:
	add dword [strays], 1
	iretq

EXCEPTION_STUB equ 16
	align 16
exceptions:
%assign vector 0
%rep EXCEPTIONS
	align EXCEPTION_STUB
%if (PUSHES_ERROR >> vector) & 1 == 0
	push 0
%endif
	push vector
	jmp on_exception
%assign vector vector + 1
%endrep
	align EXCEPTION_STUB

; On the stack: vector, error code, RIP, CS, RFLAGS, RSP, SS.
on_exception:
	push rax
	mov eax, [rsp + 8]
	add eax, 1
	cmp eax, [expected]
	jne .unexpected
	mov dword [expected], 0
	mov rax, [resume]
	mov [rsp + 24], rax
	pop rax
	add rsp, 16
	iretq
.unexpected:
	say "demo: FAIL exception "
	mov rax, [rsp + 8]
	call put_dec
	say " at 0x"
	mov rax, [rsp + 24]
	mov ecx, 16
	call put_hex
	say ", error code 0x"
	mov rax, [rsp + 16]
	mov ecx, 8
	call put_hex
	newline
	jmp power_off

; --- the end ----------------------------------------------------------------------------------------

acpi_enable:
	mov edx, PM1_CNT
	in ax, dx
	test al, PM1_SCI_EN
	jnz .done
	mov al, ACPI_ENABLE
	out SMI_CMD, al
	mov ecx, UART_SPIN
.wait:
	in ax, dx
	test al, PM1_SCI_EN
	jnz .done
	sub ecx, 1
	jnz .wait
	fail "ACPI mode cannot be entered"
.done:
	ret

; Both modes come here: the same rule as for putc.
	bits 32
power_off:
	cli
	mov ecx, UART_SPIN
.drain:
	mov edx, COM1 + 5
	in al, dx
	test al, LSR_IDLE
	jnz .off
	sub ecx, 1
	jnz .drain
.off:
	mov edx, PM1_CNT
	mov eax, PM1_S5
	out dx, ax
	mov ecx, UART_SPIN
.wait:
	in ax, dx
	sub ecx, 1
	jnz .wait
	say "demo: FAIL the machine did not power off", 13, 10
.stop:
	hlt
	jmp .stop

; --- tables -----------------------------------------------------------------------------------------

; Offset from COM1, value: no interrupts, divisor 1, 8N1, FIFOs on, DTR and RTS.
uart_setup:
	db 1, 0, 3, 0x80, 0, 1, 1, 0, 3, 0x03, 2, 0x07, 4, 0x03
uart_setup_end:

; Port, value: ICW1-4 with vectors 20 and 28; only the timer is unmasked.
pic_setup:
	db PIC1, 0x11, PIC1 + 1, VEC_PIC, PIC1 + 1, 0x04, PIC1 + 1, 0x01, PIC1 + 1, 0xfe
	db PIC2, 0x11, PIC2 + 1, VEC_PIC + 8, PIC2 + 1, 0x02, PIC2 + 1, 0x01, PIC2 + 1, 0xff
pic_setup_end:

REG_B equ 1
REG_C equ 2
REG_D equ 3
FEATURE_SIZE equ 18

%macro feature 4	; leaf, register, bit, name
%%start:
	dd %1
	db %2, %3, %4
	times FEATURE_SIZE - ($ - %%start) db 0
%endmacro

features:
	feature 1, REG_D, 4, "tsc"
	feature 1, REG_D, 12, "mtrr"
	feature 1, REG_D, 16, "pat"
	feature 1, REG_D, 26, "sse2"
	feature 1, REG_D, 28, "htt"
	feature 1, REG_C, 0, "sse3"
	feature 1, REG_C, 1, "pclmulqdq"
	feature 1, REG_C, 3, "monitor"
	feature 1, REG_C, 5, "vmx"
	feature 1, REG_C, 9, "ssse3"
	feature 1, REG_C, 13, "cx16"
	feature 1, REG_C, 17, "pcid"
	feature 1, REG_C, 19, "sse4_1"
	feature 1, REG_C, 20, "sse4_2"
	feature 1, REG_C, 21, "x2apic"
	feature 1, REG_C, 23, "popcnt"
	feature 1, REG_C, 24, "tscdeadline"
	feature 1, REG_C, 25, "aes"
	feature 1, REG_C, 26, "xsave"
	feature 1, REG_C, 28, "avx"
	feature 1, REG_C, 30, "rdrand"
	feature 7, REG_B, 0, "fsgsbase"
	feature 7, REG_B, 1, "tsc_adjust"
	feature 7, REG_B, 5, "avx2"
	feature 7, REG_B, 7, "smep"
	feature 7, REG_B, 10, "invpcid"
	feature 7, REG_B, 16, "avx512f"
	feature 7, REG_B, 18, "rdseed"
	feature 7, REG_B, 20, "smap"
	feature 7, REG_C, 2, "umip"
	feature 7, REG_C, 3, "pku"
	feature 7, REG_C, 16, "la57"
	feature 0x80000001, REG_C, 2, "svm"
	feature 0x80000001, REG_D, 11, "syscall"
	feature 0x80000001, REG_D, 20, "nx"
	feature 0x80000001, REG_D, 26, "pdpe1gb"
	feature 0x80000001, REG_D, 27, "rdtscp"
	feature 0x80000001, REG_D, 29, "lm"
	feature 0x80000007, REG_D, 8, "constant_tsc"
features_end:

	align 8
gdt:
	dq 0
	dq 0x00209a0000000000	; 64-bit code
	dq 0x0000920000000000	; data
gdt_pointer:
	dw $ - gdt - 1
	dq A(gdt)
idt_pointer:
	dw 256 * 16 - 1
	dq IDT

	align 4
demo_image_end:
