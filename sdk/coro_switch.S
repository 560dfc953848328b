/* The stack switch: pawl_coro_asm_switch(void **sp) saves what a callee must keep on
 * the present stack, swaps the stack pointer with *sp and restores from there.
 * pawl_coro_asm_start is where a new stack begins; its return address is undefined
 * for unwinders, so that backtraces end there.
 */
#if defined(__linux__) && defined(__ELF__)
.section .note.GNU-stack, "", %progbits
#endif

#if !defined(PAWL_CORO_UCONTEXT) && defined(__x86_64__)

.text
.globl pawl_coro_asm_switch
.hidden pawl_coro_asm_switch
.type pawl_coro_asm_switch, @function
.balign 16
pawl_coro_asm_switch:
    .cfi_startproc
    endbr64
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    pushq %r12
    .cfi_adjust_cfa_offset 8
    pushq %r13
    .cfi_adjust_cfa_offset 8
    pushq %r14
    .cfi_adjust_cfa_offset 8
    pushq %r15
    .cfi_adjust_cfa_offset 8
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq (%rdi), %rax
    movq %rsp, (%rdi)
    movq %rax, %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    popq %r14
    .cfi_adjust_cfa_offset -8
    popq %r13
    .cfi_adjust_cfa_offset -8
    popq %r12
    .cfi_adjust_cfa_offset -8
    popq %rbx
    .cfi_adjust_cfa_offset -8
    popq %rbp
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
.size pawl_coro_asm_switch, . - pawl_coro_asm_switch

.globl pawl_coro_asm_start
.hidden pawl_coro_asm_start
.type pawl_coro_asm_start, @function
.balign 16
pawl_coro_asm_start:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    movq %r12, %rdi
    xorl %ebp, %ebp
    callq *%r13
    ud2
    .cfi_endproc
.size pawl_coro_asm_start, . - pawl_coro_asm_start

#elif !defined(PAWL_CORO_UCONTEXT) && defined(__aarch64__)

.text
.globl pawl_coro_asm_switch
.hidden pawl_coro_asm_switch
.type pawl_coro_asm_switch, %function
.balign 16
pawl_coro_asm_switch:
    .cfi_startproc
    hint #34 /* bti c */
    sub sp, sp, #160
    .cfi_adjust_cfa_offset 160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    ldr x9, [x0]
    mov x10, sp
    str x10, [x0]
    mov sp, x9
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    .cfi_adjust_cfa_offset -160
    ret
    .cfi_endproc
.size pawl_coro_asm_switch, . - pawl_coro_asm_switch

.globl pawl_coro_asm_start
.hidden pawl_coro_asm_start
.type pawl_coro_asm_start, %function
.balign 16
pawl_coro_asm_start:
    .cfi_startproc
    .cfi_undefined x30
    hint #36 /* bti j */
    mov x0, x19
    mov x29, xzr
    mov x30, xzr
    blr x20
    brk #1
    .cfi_endproc
.size pawl_coro_asm_start, . - pawl_coro_asm_start

#endif
