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

%include "boot/guest/demo_defs.inc"

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

; --- output: the same bytes serve both modes, so no INC, DEC or absolute address here --------

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

; --- 32-bit entry -----------------------------------------------------------------------------

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

; --- 64-bit -----------------------------------------------------------------------------------

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

%include "boot/guest/demo_cpu.inc"
%include "boot/guest/demo_devices.inc"

; --- handlers -----------------------------------------------------------------------------------

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

; --- the end ------------------------------------------------------------------------------------

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

; --- tables -------------------------------------------------------------------------------------

; Offset from COM1, value: no interrupts, divisor 1, 8N1, FIFOs on, DTR and RTS.
uart_setup:
	db 1, 0, 3, 0x80, 0, 1, 1, 0, 3, 0x03, 2, 0x07, 4, 0x03
uart_setup_end:

; Port, value: ICW1-4 with vectors 20 and 28; only the timer is unmasked.
pic_setup:
	db PIC1, 0x11, PIC1 + 1, VEC_PIC, PIC1 + 1, 0x04, PIC1 + 1, 0x01, PIC1 + 1, 0xfe
	db PIC2, 0x11, PIC2 + 1, VEC_PIC + 8, PIC2 + 1, 0x02, PIC2 + 1, 0x01, PIC2 + 1, 0xff
pic_setup_end:

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
