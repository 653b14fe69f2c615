; SPDX-License-Identifier: MIT
;
; The little of a BIOS that a directly booted kernel finds when it goes to real mode: interrupt
; handlers for the board, memory sizes (ACPI 6.4 chapter 15, INT 15h E820), the tick count, and for
; every other service the answer that it is not there. IBM PC AT Technical Reference, section 5.
;
; The image is only data to Plinth, which copies it to the last page below 1 MiB; O() is an offset in
; segment F000h. It keeps what the caller does not expect to change.

BIOS_ORG	equ 0xf000
BIOS_BYTES	equ 0x1000
%define O(label) (BIOS_ORG + ((label) - bios_image))

EOI		equ 0x20
PIC_FIRST	equ 0x20
PIC_SECOND	equ 0xa0
KEYBOARD_DATA	equ 0x60
RTC_INDEX	equ 0x70
RTC_DATA	equ 0x71
RTC_REG_C	equ 0x0c
RESET_PORT	equ 0xcf9
RESET_FULL	equ 0x06

; BIOS data area
BDA		equ 0x40
BDA_EQUIPMENT	equ 0x10
BDA_MEMORY	equ 0x13
BDA_VIDEO_MODE	equ 0x49
BDA_COLUMNS	equ 0x4a
BDA_TICKS	equ 0x6c
BDA_MIDNIGHT	equ 0x70
DAY_TICKS	equ 0x1800b0

; Where INT left the flags, once BP was pushed.
%define CALLER_FLAGS bp + 6
FLAG_CARRY	equ 0x01
FLAG_ZERO	equ 0x40

UNSUPPORTED	equ 0x86	; AH
INVALID		equ 0x01	; AH of the disk services
A20_BY_PORT_92	equ 2
SMAP		equ 0x534d4150
E820_BYTES	equ 20
E820_ROOM	equ 16		; GUEST_E820_MAX

global bios_image
global bios_memory
global bios_handlers

section .note.GNU-stack noalloc noexec nowrite progbits
section .rodata.bios progbits alloc noexec nowrite align=16

	bits 16
bios_image:

; --- interrupts of the board ----------------------------------------------------------------------

timer:
	push ax
	push ds
	mov ax, BDA
	mov ds, ax
	inc dword [BDA_TICKS]
	cmp dword [BDA_TICKS], DAY_TICKS
	jb .same_day
	mov dword [BDA_TICKS], 0
	mov byte [BDA_MIDNIGHT], 1
.same_day:
	int 0x1c
	pop ds
	jmp end_first

keyboard:
	push ax
	in al, KEYBOARD_DATA
	jmp end_first

irq_first:
	push ax
end_first:
	mov al, EOI
	out PIC_FIRST, al
	pop ax
	iret

real_time_clock:
	push ax
	mov al, RTC_REG_C
	out RTC_INDEX, al
	in al, RTC_DATA
	jmp end_second

irq_second:
	push ax
end_second:
	mov al, EOI
	out PIC_SECOND, al
	jmp end_first

; --- services ---------------------------------------------------------------------------------------

; INT 10h: no display to switch. What it says of itself is in the BIOS data area.
video:
	cmp ah, 0x0f
	jne none
	push ds
	push BDA
	pop ds
	mov al, [BDA_VIDEO_MODE]
	mov ah, [BDA_COLUMNS]
	pop ds
	mov bh, 0
none:
	iret

equipment:
	push ds
	push BDA
	pop ds
	mov ax, [BDA_EQUIPMENT]
	pop ds
	iret

memory_size:
	push ds
	push BDA
	pop ds
	mov ax, [BDA_MEMORY]
	pop ds
	iret

disk:
	mov ah, INVALID
	jmp failed

system:
	cmp ax, 0xe820
	je .map
	cmp ax, 0xe801
	je .sizes
	cmp ah, 0x88
	je .extended
	cmp ax, 0x2401
	je .done
	cmp ax, 0x2402
	je .a20_is_open
	cmp ax, 0x2403
	jne unsupported
	mov bx, A20_BY_PORT_92
.done:
	mov ah, 0
	jmp good
.a20_is_open:
	mov ax, 1
	jmp good

.sizes:
	mov ax, [cs:O(memory.kib_to_16m)]
	mov bx, [cs:O(memory.above_16m)]
	mov cx, ax
	mov dx, bx
	jmp good

.extended:
	mov ax, [cs:O(memory.kib)]
	jmp good

.map:
	cmp edx, SMAP
	jne unsupported
	cmp ecx, E820_BYTES
	jb unsupported
	cmp ebx, [cs:O(memory.entries)]
	jae unsupported
	push ds
	push si
	push di
	push cs
	pop ds
	imul si, bx, E820_BYTES
	add si, O(memory.map)
	mov cx, E820_BYTES
	cld
	rep movsb
	pop di
	pop si
	pop ds
	mov eax, SMAP
	mov ecx, E820_BYTES
	inc ebx
	cmp ebx, [cs:O(memory.entries)]
	jb good
	xor ebx, ebx
	jmp good

; INT 16h: nobody types.
keys:
	cmp ah, 0x01
	je .poll
	cmp ah, 0x11
	je .poll
	mov ax, 0
	iret
.poll:
	push bp
	mov bp, sp
	or byte [CALLER_FLAGS], FLAG_ZERO
	pop bp
	iret

; INT 1Ah: ticks since midnight.
clock:
	cmp ah, 0
	jne unsupported
	push ds
	push BDA
	pop ds
	mov cx, [BDA_TICKS + 2]
	mov dx, [BDA_TICKS]
	mov al, [BDA_MIDNIGHT]
	mov byte [BDA_MIDNIGHT], 0
	pop ds
	iret

unsupported:
	mov ah, UNSUPPORTED
failed:
	push bp
	mov bp, sp
	or byte [CALLER_FLAGS], FLAG_CARRY
	pop bp
	iret

good:
	push bp
	mov bp, sp
	and byte [CALLER_FLAGS], ~FLAG_CARRY & 0xff
	pop bp
	iret

; INT 18h, INT 19h: there is nothing to boot from but Plinth's modules.
reset:
	mov dx, RESET_PORT
	mov al, RESET_FULL
	out dx, al
.wait:
	hlt
	jmp .wait

; --- filled in by Plinth: struct bios_memory --------------------------------------------------------

	align 4
bios_memory:
memory:
.entries:	dd 0
.kib_to_16m:	dw 0
.above_16m:	dw 0
.kib:		dw 0
.pad:		dw 0
.map:		times E820_ROOM * E820_BYTES db 0

	times BIOS_BYTES - 16 - ($ - bios_image) db 0
; The processor's reset vector, where programs jump to start the machine anew.
	jmp 0xf000:O(reset)
	db "01/01/26", 0
	db 0xfc			; an AT
	db 0

; --- where the interrupt vectors point; not part of the copied image ----------------------------------

bios_handlers:
	times 0x08 dw O(none)
	dw O(timer), O(keyboard)
	times 0x06 dw O(irq_first)
	dw O(video), O(equipment), O(memory_size), O(disk), O(unsupported), O(system), O(keys)
	dw O(unsupported), O(reset), O(reset), O(clock)
	times 0x70 - 0x1b dw O(none)
	dw O(real_time_clock)
	times 0x07 dw O(irq_second)
	times 0x100 - 0x78 dw O(none)
