/* SPDX-License-Identifier: MIT */
/* Included by registry.c once per instruction set, with BPFREE_ISA defined:
 * prototypes and tables of the kernels compiled for it. No include guard. */
#define PASTE3(a, b, c) a##b##_##c
#define NAME(kind, name, isa) PASTE3(kind, name, isa)

#define BPFREE_OP(number, name) void NAME(bpfree_op_, name, BPFREE_ISA)(const bpfree_pass *, const bpfree_node *);
#include "bpfree/ops.gen.def"
#undef BPFREE_OP
#define BPFREE_JET(number, name) void NAME(bpfree_jet_, name, BPFREE_ISA)(const bpfree_jets *, const bpfree_node *);
#include "bpfree/jets.gen.def"
#undef BPFREE_JET
#define BPFREE_LOSS(number, name)                                                                            \
  void NAME(bpfree_loss_, name, BPFREE_ISA)(const float *, uint32_t, const uint32_t *, const float *, uint32_t, \
                                            float *);
#include "bpfree/losses.gen.def"
#undef BPFREE_LOSS
#define BPFREE_UPDATE(number, name) extern const bpfree_update NAME(bpfree_upd_, name, BPFREE_ISA);
#include "bpfree/updates.gen.def"
#undef BPFREE_UPDATE

void NAME(bpfree_, contract, BPFREE_ISA)(float *, const float *, uint32_t, uint32_t, const float *, uint32_t,
                                         uint32_t, uint32_t);

void NAME(bpfree_, contract_part, BPFREE_ISA)(float *, const float *, uint32_t, uint32_t, const float *, uint32_t,
                                              uint32_t, uint32_t, uint32_t);

int NAME(bpfree_, math, BPFREE_ISA)(uint32_t, uint32_t, const float *, float *);

static const bpfree_kernel NAME(ops, , BPFREE_ISA)[] = {
#define BPFREE_OP(number, name) [number] = NAME(bpfree_op_, name, BPFREE_ISA),
#include "bpfree/ops.gen.def"
#undef BPFREE_OP
};
static const bpfree_jet NAME(jets, , BPFREE_ISA)[] = {
#define BPFREE_JET(number, name) [number] = NAME(bpfree_jet_, name, BPFREE_ISA),
#include "bpfree/jets.gen.def"
#undef BPFREE_JET
};
static const bpfree_loss NAME(losses, , BPFREE_ISA)[] = {
#define BPFREE_LOSS(number, name) [number] = NAME(bpfree_loss_, name, BPFREE_ISA),
#include "bpfree/losses.gen.def"
#undef BPFREE_LOSS
};
static const bpfree_update *const NAME(updates, , BPFREE_ISA)[] = {
#define BPFREE_UPDATE(number, name) [number] = &NAME(bpfree_upd_, name, BPFREE_ISA),
#include "bpfree/updates.gen.def"
#undef BPFREE_UPDATE
};

#undef NAME
#undef PASTE3
#undef BPFREE_ISA
