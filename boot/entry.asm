; SPDX-License-Identifier: MIT
;
; The first instructions: Multiboot header, protected mode to long mode, plinth_main().
; Multiboot Specification 0.6.96, sections 3.1.1 and 3.2; APM vol. 2 rev. 3.42, 14.6 "Enabling and
; Activating Long Mode".
;
; On entry: EAX the loader's magic, EBX the information's address, no paging, flat segments.

HEADER_MAGIC		equ 0x1badb002
HEADER_PAGE_ALIGN	equ 1 << 0	; modules on page boundaries
HEADER_MEMORY_INFO	equ 1 << 1	; mem_* and, where there is one, the memory map
HEADER_FLAGS		equ HEADER_PAGE_ALIGN | HEADER_MEMORY_INFO
LOADER_MAGIC		equ 0x2badb002

CR0_CLEAR		equ 1 << 2 | 1 << 3 | 1 << 29 | 1 << 30		; EM, TS, NW, CD
CR0_SET			equ 1 << 1 | 1 << 5 | 1 << 16 | 1 << 31		; MP, NE, WP, PG
CR4_PAE			equ 1 << 5
MSR_EFER		equ 0xc0000080
MSR_GS_BASE		equ 0xc0000101
EFER_LME		equ 1 << 8
EFER_NXE		equ 1 << 11
EFLAGS_ID		equ 1 << 21
CPUID_EXT_MAX		equ 0x80000000
CPUID_EXT_FEATURES	equ 0x80000001
FEATURE_NX		equ 20		; EDX of CPUID_EXT_FEATURES
FEATURE_LM		equ 29
PTE_P			equ 1 << 0
PTE_W			equ 1 << 1
PTE_PS			equ 1 << 7

PAGE			equ 4096
LARGE_PAGE		equ 2 << 20
DIRECTORIES		equ 4		; 1 GiB each: all that 32-bit addresses reach
BOOT_STACK_SIZE		equ 32 << 10

SEL_CODE		equ 0x08
SEL_DATA		equ 0x10

; The console of last resort.
COM1			equ 0x3f8
COM_IER			equ COM1 + 1
COM_FCR			equ COM1 + 2
COM_LCR			equ COM1 + 3
COM_MCR			equ COM1 + 4
COM_LSR			equ COM1 + 5
LCR_DLAB_8N1		equ 0x83
LCR_8N1			equ 0x03
DIVISOR_115200		equ 1
FCR_ENABLE_CLEAR	equ 0x07
MCR_DTR_RTS		equ 0x03
LSR_THRE		equ 1 << 5
LSR_ABSENT		equ 0xff	; nobody answers
COM_POLLS		equ 100000
VGA_TEXT		equ 0xb8000
VGA_CELLS		equ 80 * 25
VGA_ATTRIBUTE		equ 0x07
VGA_BLANK		equ VGA_ATTRIBUTE << 8 | ' '

extern plinth_main
extern boot_cpu
extern __bss_start
extern __bss_end

section .multiboot progbits alloc noexec nowrite align=4
	dd HEADER_MAGIC
	dd HEADER_FLAGS
	dd -(HEADER_MAGIC + HEADER_FLAGS)

section .text
bits 32

global entry
entry:
	cli
	cld
	mov esp, boot_stack_end
	cmp eax, LOADER_MAGIC
	mov esi, message_no_multiboot
	jne early_fail
	mov ebp, eax

	; CPUID exists when EFLAGS.ID can be changed (APM vol. 3, CPUID).
	pushfd
	pop eax
	mov ecx, eax
	xor eax, EFLAGS_ID
	push eax
	popfd
	pushfd
	pop eax
	xor eax, ecx
	test eax, EFLAGS_ID
	mov esi, message_no_long_mode
	jz early_fail

	mov edi, ebx			; CPUID takes EBX
	mov eax, CPUID_EXT_MAX
	cpuid
	cmp eax, CPUID_EXT_FEATURES
	jb early_fail
	mov eax, CPUID_EXT_FEATURES
	cpuid
	bt edx, FEATURE_LM
	jnc early_fail
	mov ebx, edi
	mov esi, edx			; features, for NX below

	; Loaders zero .bss, but one that forgot would be hard to find later.
	mov edi, __bss_start
	mov ecx, __bss_end
	sub ecx, edi
	shr ecx, 2
	xor eax, eax
	rep stosd

	; Identity tables for the first 4 GiB in 2 MiB pages; paging_init() replaces them.
	mov dword [early_pml4], early_pdpt + (PTE_P | PTE_W)
	mov eax, early_directories + (PTE_P | PTE_W)
	xor ecx, ecx
.pdpt:
	mov [early_pdpt + ecx * 8], eax
	add eax, PAGE
	inc ecx
	cmp ecx, DIRECTORIES
	jb .pdpt

	mov eax, PTE_P | PTE_W | PTE_PS
	xor ecx, ecx
.directory:
	mov [early_directories + ecx * 8], eax
	add eax, LARGE_PAGE
	inc ecx
	cmp ecx, DIRECTORIES * (PAGE / 8)
	jb .directory

	mov eax, CR4_PAE
	mov cr4, eax
	mov eax, early_pml4
	mov cr3, eax

	mov ecx, MSR_EFER
	rdmsr
	or eax, EFER_LME
	bt esi, FEATURE_NX
	jnc .no_nx
	or eax, EFER_NXE
.no_nx:
	wrmsr

	mov eax, cr0
	and eax, ~CR0_CLEAR
	or eax, CR0_SET
	mov cr0, eax

	lgdt [early_gdt_pointer]
	jmp SEL_CODE:long_mode

; Says the line at ESI on COM1 and on the VGA text screen, and stops.
early_fail:
	push esi
	mov edi, VGA_TEXT
	mov ecx, VGA_CELLS
	mov ax, VGA_BLANK
	rep stosw
	mov edi, VGA_TEXT
	mov ah, VGA_ATTRIBUTE
.vga:
	lodsb
	cmp al, ' '			; the line ends at its first control character
	jb .serial
	stosw
	jmp .vga

.serial:
	pop esi
	mov dx, COM_LSR
	in al, dx
	cmp al, LSR_ABSENT
	je early_halt
	mov dx, COM_IER
	xor al, al
	out dx, al
	mov dx, COM_LCR
	mov al, LCR_DLAB_8N1
	out dx, al
	mov dx, COM1
	mov al, DIVISOR_115200
	out dx, al
	mov dx, COM_IER
	xor al, al
	out dx, al
	mov dx, COM_LCR
	mov al, LCR_8N1
	out dx, al
	mov dx, COM_FCR
	mov al, FCR_ENABLE_CLEAR
	out dx, al
	mov dx, COM_MCR
	mov al, MCR_DTR_RTS
	out dx, al
.next:
	lodsb
	test al, al
	jz early_halt
	mov ah, al
	mov ecx, COM_POLLS
	mov dx, COM_LSR
.wait:
	in al, dx
	test al, LSR_THRE
	jnz .send
	loop .wait
.send:
	mov dx, COM1
	mov al, ah
	out dx, al
	jmp .next

early_halt:
	cli
	hlt
	jmp early_halt

bits 64
long_mode:
	mov eax, SEL_DATA
	mov ds, eax
	mov es, eax
	mov ss, eax
	xor eax, eax
	mov fs, eax
	mov gs, eax
	lldt ax

	; this_cpu() works from the first line of C.
	mov ecx, MSR_GS_BASE
	mov eax, boot_cpu
	xor edx, edx
	wrmsr

	mov edi, ebp			; magic
	mov esi, ebx			; information
	mov esp, boot_stack_end
	xor ebp, ebp			; the end of every backtrace
	call plinth_main
	ud2

section .rodata
align 8
early_gdt:
	dq 0
	dq 0x00af9b000000ffff		; code: 64-bit, present, accessed
	dq 0x00cf93000000ffff		; data: writable, present, accessed
early_gdt_pointer:
	dw $ - early_gdt - 1
	dq early_gdt

message_no_multiboot:
	db "plinth: not started by a Multiboot boot loader", 13, 10, 0
message_no_long_mode:
	db "plinth: this processor has no 64-bit mode", 13, 10, 0

section .bss.boot nobits alloc noexec write align=4096
early_pml4:
	resb PAGE
early_pdpt:
	resb PAGE
early_directories:
	resb DIRECTORIES * PAGE

global boot_stack_guard
global boot_stack
global boot_stack_end
boot_stack_guard:
	resb PAGE
boot_stack:
	resb BOOT_STACK_SIZE
boot_stack_end:
