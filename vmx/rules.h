/* SPDX-License-Identifier: MIT */
/*
 * The rules of a VM entry in the manual's order: SDM vol. 3 rev. 083, 27.2 and 27.3.1. Those about fields and features
 * that Plinth never uses are left out; 27.2.4 is short because Plinth's host is always a 64-bit one.
 */
#ifndef PLINTH_VMX_RULES_H
#define PLINTH_VMX_RULES_H

/* X(name, section, what is wrong when the rule is violated) */
#define VMX_RULES(X)                                                                               \
	/* VM-execution controls */                                                                \
	X(PIN_RESERVED, "27.2.1.1", "reserved pin-based controls")                                 \
	X(PROC_RESERVED, "27.2.1.1", "reserved processor-based controls")                          \
	X(PROC2_RESERVED, "27.2.1.1", "reserved secondary processor-based controls")               \
	X(CR3_TARGETS, "27.2.1.1", "CR3-target count above what the processor has")                \
	X(IO_BITMAP_ADDRESS, "27.2.1.1", "address of an I/O bitmap")                               \
	X(MSR_BITMAP_ADDRESS, "27.2.1.1", "address of the MSR bitmaps")                            \
	X(VAPIC_ADDRESS, "27.2.1.1", "address of the virtual-APIC page")                           \
	X(TPR_THRESHOLD_RESERVED, "27.2.1.1", "bits 31:4 of the TPR threshold")                    \
	X(TPR_THRESHOLD_HIGH, "27.2.1.1", "TPR threshold above the virtual TPR")                   \
	X(VIRTUAL_NMIS_ALONE, "27.2.1.1", "virtual NMIs without NMI exiting")                      \
	X(NMI_WINDOW_ALONE, "27.2.1.1", "NMI-window exiting without virtual NMIs")                 \
	X(VIRTUAL_APIC_ALONE, "27.2.1.1", "virtual-APIC controls without the TPR shadow")          \
	X(X2APIC_WITH_ACCESSES, "27.2.1.1",                                                        \
	  "virtual x2APIC mode together with virtual APIC accesses")                               \
	X(VIRTUAL_INTERRUPTS_ALONE, "27.2.1.1",                                                    \
	  "virtual-interrupt delivery without external-interrupt exiting")                         \
	X(POSTED_WITHOUT_DELIVERY, "27.2.1.1",                                                     \
	  "posted interrupts without virtual-interrupt delivery")                                  \
	X(POSTED_WITHOUT_ACK, "27.2.1.1",                                                          \
	  "posted interrupts without acknowledging interrupts on exit")                            \
	X(VPID_ZERO, "27.2.1.1", "VPID 0")                                                         \
	X(EPTP_MEMORY_TYPE, "27.2.1.1", "memory type of the EPT tables")                           \
	X(EPTP_LEVELS, "27.2.1.1", "levels of the EPT tables")                                     \
	X(EPTP_AD_FLAGS, "27.2.1.1", "EPT accessed and dirty flags that the processor lacks")      \
	X(EPTP_SHADOW_STACK, "27.2.1.1", "EPT supervisor shadow stacks that the processor lacks")  \
	X(EPTP_RESERVED_BITS, "27.2.1.1", "reserved bits of the EPT pointer")                      \
	X(PML_WITHOUT_EPT, "27.2.1.1", "page-modification log without EPT")                        \
	X(UNRESTRICTED_WITHOUT_EPT, "27.2.1.1", "unrestricted guest without EPT")                  \
	/* VM-exit controls */                                                                     \
	X(EXIT_RESERVED, "27.2.1.2", "reserved VM-exit controls")                                  \
	X(SAVED_TIMER_OFF, "27.2.1.2", "saving a preemption timer that is off")                    \
	X(EXIT_MSR_STORE_ADDRESS, "27.2.1.2", "address of the MSR-store area")                     \
	X(EXIT_MSR_LOAD_ADDRESS, "27.2.1.2", "address of the MSR-load area")                       \
	/* VM-entry controls */                                                                    \
	X(ENTRY_RESERVED, "27.2.1.3", "reserved VM-entry controls")                                \
	X(EVENT_TYPE, "27.2.1.3", "reserved type of event")                                        \
	X(EVENT_NMI_VECTOR, "27.2.1.3", "NMI with another vector than 2")                          \
	X(EVENT_EXCEPTION_VECTOR, "27.2.1.3", "exception with a vector above 31")                  \
	X(EVENT_OTHER_VECTOR, "27.2.1.3", "event of type 7 with another vector than 0")            \
	X(EVENT_ERROR_CODE_MISSING, "27.2.1.3", "exception without its error code")                \
	X(EVENT_ERROR_CODE_EXTRA, "27.2.1.3", "error code where there is none")                    \
	X(EVENT_RESERVED_BITS, "27.2.1.3", "reserved bits of the event")                           \
	X(ERROR_CODE_RESERVED, "27.2.1.3", "reserved bits of the error code")                      \
	X(EVENT_INSN_LENGTH, "27.2.1.3", "instruction length of a software event")                 \
	X(ENTRY_MSR_LOAD_ADDRESS, "27.2.1.3", "address of the MSR-load area")                      \
	X(ENTRY_TO_SMM, "27.2.1.3", "entry to SMM from outside SMM")                               \
	/* host registers */                                                                       \
	X(HOST_CR0_FIXED, "27.2.2", "host CR0 against its fixed bits")                             \
	X(HOST_CR4_FIXED, "27.2.2", "host CR4 against its fixed bits")                             \
	X(HOST_CET_WITHOUT_WP, "27.2.2", "host CR4.CET without CR0.WP")                            \
	X(HOST_CR3_WIDTH, "27.2.2", "host CR3 beyond the physical addresses")                      \
	X(HOST_SYSENTER, "27.2.2", "host SYSENTER address that is not canonical")                  \
	X(HOST_PAT_TYPE, "27.2.2", "host PAT with a reserved type")                                \
	X(HOST_EFER_RESERVED, "27.2.2", "reserved bits of host EFER")                              \
	X(HOST_EFER_MODE, "27.2.2", "host EFER.LMA and LME against the host's address-space size") \
	/* host segments */                                                                        \
	X(HOST_SELECTOR_BITS, "27.2.3", "RPL or TI of a host selector")                            \
	X(HOST_CS_NULL, "27.2.3", "null host CS")                                                  \
	X(HOST_TR_NULL, "27.2.3", "null host TR")                                                  \
	X(HOST_SS_NULL, "27.2.3", "null host SS of a 32-bit host")                                 \
	X(HOST_BASE, "27.2.3", "host base that is not canonical")                                  \
	/* address-space size */                                                                   \
	X(HOST_SIZE, "27.2.4", "32-bit host on a processor in IA-32e mode")                        \
	X(HOST_PAE, "27.2.4", "64-bit host without CR4.PAE")                                       \
	X(HOST_RIP_CANONICAL, "27.2.4", "host RIP that is not canonical")                          \
	/* guest control registers */                                                              \
	X(CR0_FIXED, "27.3.1.1", "guest CR0 against its fixed bits")                               \
	X(CR0_PG_WITHOUT_PE, "27.3.1.1", "guest CR0.PG without PE")                                \
	X(CR4_FIXED, "27.3.1.1", "guest CR4 against its fixed bits")                               \
	X(CET_WITHOUT_WP, "27.3.1.1", "guest CR4.CET without CR0.WP")                              \
	X(DEBUGCTL_BITS, "27.3.1.1", "reserved bits of DEBUGCTL")                                  \
	X(IA32E_WITHOUT_PG, "27.3.1.1", "IA-32e mode without CR0.PG")                              \
	X(IA32E_WITHOUT_PAE, "27.3.1.1", "IA-32e mode without CR4.PAE")                            \
	X(PCIDE_OUTSIDE_IA32E, "27.3.1.1", "CR4.PCIDE outside IA-32e mode")                        \
	X(CR3_WIDTH, "27.3.1.1", "guest CR3 beyond the physical addresses")                        \
	X(DR7_BITS, "27.3.1.1", "bits 63:32 of guest DR7")                                         \
	X(SYSENTER, "27.3.1.1", "guest SYSENTER address that is not canonical")                    \
	X(PAT_TYPE, "27.3.1.1", "guest PAT with a reserved type")                                  \
	X(EFER_RESERVED_BITS, "27.3.1.1", "reserved bits of guest EFER")                           \
	X(EFER_LMA_CONTROL, "27.3.1.1", "guest EFER.LMA against the IA-32e mode control")          \
	X(EFER_LMA_LME, "27.3.1.1", "guest EFER.LMA != LME while paging")                          \
	/* guest segments */                                                                       \
	X(TR_TI, "27.3.1.2", "TR in the LDT")                                                      \
	X(LDTR_TI, "27.3.1.2", "LDTR in the LDT")                                                  \
	X(SS_RPL, "27.3.1.2", "SS.RPL != CS.RPL")                                                  \
	X(V86_BASE, "27.3.1.2", "base in virtual-8086 mode is not selector * 16")                  \
	X(BASE_CANONICAL, "27.3.1.2", "base that is not canonical")                                \
	X(BASE_HIGH, "27.3.1.2", "base above 4 GiB")                                               \
	X(V86_LIMIT, "27.3.1.2", "limit in virtual-8086 mode is not 0xffff")                       \
	X(V86_RIGHTS, "27.3.1.2", "access rights in virtual-8086 mode are not 0xf3")               \
	X(CS_TYPE, "27.3.1.2", "type of CS is not accessed code")                                  \
	X(SS_TYPE, "27.3.1.2", "type of SS is not accessed writable data")                         \
	X(DATA_NOT_ACCESSED, "27.3.1.2", "data segment that is not accessed")                      \
	X(DATA_EXECUTE_ONLY, "27.3.1.2", "execute-only code in a data segment register")           \
	X(SEGMENT_SYSTEM, "27.3.1.2", "system type in a segment register")                         \
	X(CS_DATA_DPL, "27.3.1.2", "CS of a data type with DPL != 0")                              \
	X(CS_DPL, "27.3.1.2", "CS.DPL != SS.DPL")                                                  \
	X(CS_CONFORMING_DPL, "27.3.1.2", "conforming CS.DPL > SS.DPL")                             \
	X(SS_DPL, "27.3.1.2", "SS.DPL != SS.RPL")                                                  \
	X(SS_REAL_DPL, "27.3.1.2", "SS.DPL != 0 in real mode")                                     \
	X(DATA_DPL, "27.3.1.2", "DPL of a data segment below its RPL")                             \
	X(SEGMENT_ABSENT, "27.3.1.2", "segment that is not present")                               \
	X(RIGHTS_RESERVED, "27.3.1.2", "reserved access rights")                                   \
	X(CS_L_AND_D, "27.3.1.2", "CS.L and CS.D both set")                                        \
	X(GRANULARITY_SET, "27.3.1.2", "page granularity with a limit in bytes")                   \
	X(GRANULARITY_CLEAR, "27.3.1.2", "byte granularity with a limit above 1 MiB")              \
	X(TR_TYPE, "27.3.1.2", "type of TR is not a busy TSS")                                     \
	X(TR_NOT_SYSTEM, "27.3.1.2", "TR is no system segment")                                    \
	X(TR_UNUSABLE, "27.3.1.2", "TR is unusable")                                               \
	X(LDTR_TYPE, "27.3.1.2", "type of LDTR is not an LDT")                                     \
	X(LDTR_NOT_SYSTEM, "27.3.1.2", "LDTR is no system segment")                                \
	/* guest descriptor tables */                                                              \
	X(TABLE_BASE, "27.3.1.3", "descriptor table's base that is not canonical")                 \
	X(TABLE_LIMIT, "27.3.1.3", "descriptor table's limit above 0xffff")                        \
	/* guest RIP and RFLAGS */                                                                 \
	X(RIP_HIGH, "27.3.1.4", "RIP above 4 GiB outside 64-bit mode")                             \
	X(RIP_WIDTH, "27.3.1.4", "RIP beyond the linear addresses")                                \
	X(RFLAGS_BITS, "27.3.1.4", "reserved bits of RFLAGS")                                      \
	X(RFLAGS_VM_MODE, "27.3.1.4", "RFLAGS.VM in IA-32e or real mode")                          \
	X(INTERRUPT_IF, "27.3.1.4", "external interrupt injected while RFLAGS.IF is 0")            \
	/* guest non-register state */                                                             \
	X(ACTIVITY_UNKNOWN, "27.3.1.5", "activity state that the processor lacks")                 \
	X(HLT_CPL, "27.3.1.5", "HLT above CPL 0")                                                  \
	X(INACTIVE_IN_SHADOW, "27.3.1.5", "inactive in an interrupt shadow")                       \
	X(EVENT_IN_HLT, "27.3.1.5", "event that cannot end HLT")                                   \
	X(EVENT_IN_SHUTDOWN, "27.3.1.5", "event that cannot end a shutdown")                       \
	X(EVENT_IN_WAIT, "27.3.1.5", "event injected while waiting for SIPI")                      \
	X(INTERRUPTIBILITY_BITS, "27.3.1.5", "reserved interruptibility")                          \
	X(STI_AND_MOV_SS, "27.3.1.5", "blocking by STI and by MOV SS at once")                     \
	X(STI_WITHOUT_IF, "27.3.1.5", "blocking by STI while RFLAGS.IF is 0")                      \
	X(INTERRUPT_IN_SHADOW, "27.3.1.5", "external interrupt injected into an interrupt shadow") \
	X(NMI_IN_MOV_SS, "27.3.1.5", "NMI injected while blocked by MOV SS")                       \
	X(NMI_IN_STI, "27.3.1.5",                                                                  \
	  "NMI injected while blocked by STI, which some processors refuse")                       \
	X(SMI_BLOCKED, "27.3.1.5", "blocking by SMI outside SMM")                                  \
	X(NMI_BLOCKED, "27.3.1.5", "NMI injected while NMIs are blocked")                          \
	X(ENCLAVE_IN_MOV_SS, "27.3.1.5", "enclave interruption while blocked by MOV SS")           \
	X(ENCLAVE_MISSING, "27.3.1.5", "enclave interruption on a processor without SGX")          \
	X(PENDING_BITS, "27.3.1.5", "reserved pending debug exceptions")                           \
	X(PENDING_STEP_MISSING, "27.3.1.5",                                                        \
	  "no pending single step with RFLAGS.TF in a shadow or HLT")                              \
	X(PENDING_STEP_EXTRA, "27.3.1.5",                                                          \
	  "pending single step without RFLAGS.TF in a shadow or HLT")                              \
	X(PENDING_RTM, "27.3.1.5", "pending debug exception of a transaction with others")         \
	X(PENDING_RTM_MISSING, "27.3.1.5",                                                         \
	  "pending debug exception of a transaction on a processor without RTM")                   \
	X(PENDING_RTM_MOV_SS, "27.3.1.5",                                                          \
	  "pending debug exception of a transaction while blocked by MOV SS")                      \
	X(LINK_ADDRESS, "27.3.1.5", "address in the VMCS link pointer")                            \
	X(LINK_CURRENT, "27.3.1.5", "VMCS link pointer to the VMCS itself")                        \
	/* guest page-directory-pointer-table entries */                                           \
	X(PDPTE_RESERVED, "27.3.1.6", "reserved bits of a PDPTE")

#define VMX_RULE_ENUM(name, section, text) VMX_RULE_##name,
enum vmx_rule {
	VMX_RULES(VMX_RULE_ENUM) NR_VMX_RULES
};
#undef VMX_RULE_ENUM

#endif
