# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What scripts/run and scripts/debug share: the variables that say which machine and which guest, and the boot
# image made of them. Sourced, behind common.sh.

# NAME=VALUE arguments become variables; help is the head of the script.
take_variables()
{
	local argument

	for argument; do
		case $argument in
		KERNEL=* | INITRD=* | CMDLINE=* | OPTIONS=* | MEM=* | EMU=* | CPU=* | GUEST=* | SETUP=* | DEBUG=* | PROMPT=*)
			export "${argument?}"
			;;
		-h | --help) sed -n '3,/^$/s/^# \{0,1\}//p' "$0" && exit ;;
		*) die "unknown argument: $argument (try --help)" ;;
		esac
	done
	MEM=${MEM:-1024}
	[[ $MEM =~ ^[1-9][0-9]*$ ]] || die "MEM is a number of megabytes, not '$MEM'"
	case ${GUEST:=linux} in
	linux | demo | bare) ;;
	*) die "GUEST is linux, demo or bare, not '$GUEST'" ;;
	esac
}

# The processor of an emulator, once that is installed.
check_cpu() # EMULATOR
{
	local models

	models=$("$PYTHON" scripts/emulators.py models "$1") || die "cannot ask $1 for its processors"
	if [ "${CPU:-}" = help ]; then
		echo "$models"
		exit
	fi
	# QEMU's names may be followed by features.
	[ -z "${CPU:-}" ] || grep -qxF -e "${CPU%%,*}" <<<"$models" ||
		die "$1 has no processor called '${CPU%%,*}' (EMU=$1 CPU=help lists them)"
}

is_linux() # FILE: "HdrS" is the mark of its setup header, at 0x202
{
	[ "$(head -c 518 "$1" | tail -c 4 | tr -d '\0')" = HdrS ]
}

# What the guest gets where the user said nothing. Bochs makes some tens of MIPS, and its clock is the count of
# instructions: Linux does not have to measure it, nor to test its ciphers.
default_cmdline() # EMULATOR KERNEL
{
	if [ "$1" = bochs ] && is_linux "$2"; then
		echo "console=ttyS0 nokaslr mitigations=off tsc=reliable cryptomgr.notests"
	else
		echo console=ttyS0
	fi
}

# Builds what the variables say; the image to boot is $1.
make_image() # IMAGE EMULATOR
{
	local kernel initrd modules=() terminal=serial

	[ "$GUEST" = bare ] || make -s -j"$(nproc)"
	if [ "$GUEST" != demo ]; then
		scripts/guest
		kernel=${KERNEL:-$BUILD/guest/vmlinuz}
		[ -r "$kernel" ] || die "cannot read KERNEL=$kernel"
		initrd=${INITRD:-$BUILD/guest/initrd.img}
		# The shell is for Linux.
		if [ -z "${INITRD:-}" ] && ! is_linux "$kernel"; then
			initrd=none
		fi
		modules=(--module "$kernel" "${CMDLINE-$(default_cmdline "$2" "$kernel")}")
		[ "$initrd" = none ] || modules+=(--module "$initrd" "")
	fi
	[ "$GUEST" != bare ] || modules+=(--bare)
	[ "$2" != bochs ] || terminal=console
	scripts/image --small --output "$1" --options "${OPTIONS:-}" --terminal $terminal "${modules[@]}"
}
