/* Written by bpfree, hash of what follows: f718aff4b4871bba. Once that is changed the file is yours. */
/* Kernels are named here, so those not used are not linked. */
#include "model.h"

#ifdef __MACH__
#define WEIGHTS
#else
#define WEIGHTS __attribute__((section(".rodata.bpfree_weights")))
#endif

static const uint32_t model_attributes0[2] = {
  4, 6
};

static const uint32_t model_attributes2[2] = {
  6, 2
};

static const uint32_t model_inputs[3] = {
  0, 1, 2
};

static const bpfree_node model_nodes[3] = {
  {bpfree_op_linear, model_attributes0, model_inputs + 0, 1, 1, 0, 2, 0, 2}, /* linear1 */
  {bpfree_op_relu, 0, model_inputs + 1, 1, 2, 2, 0, 0, 6}, /* relu2 */
  {bpfree_op_linear, model_attributes2, model_inputs + 2, 1, 3, 2, 2, 0, 2}, /* linear3 */
};

static const bpfree_tensor model_tensors[4] = {
  {4, 0, 0, 4, 4, 0}, /* input */
  {6, 0, 6, 6, 6, 0}, /* linear1 */
  {6, 0, 6, 6, 6, 0}, /* relu2 */
  {2, 12, 2, 2, 2, 0}, /* linear3 */
};

static const bpfree_slice model_slices[4] = {
  {0, 24, 0, 0, 0, 0}, /* linear1.weight */
  {24, 6, 1, 0, 0, 0}, /* linear1.bias */
  {30, 12, 2, 2, 0, 0}, /* linear3.weight */
  {42, 2, 3, 2, 0, 0}, /* linear3.bias */
};

static const float model_frozen[1] WEIGHTS = {
  0
};

const float model_theta[MODEL_THETA] WEIGHTS = {
  0x1.69b7f4p-2f, 0x1.3d91a6p-3f, -0x1.88390ap-1f, -0x1.1db8d8p-1f, -0x1.b26f4ap-1f, 0x1.4b63d8p-10f,
  0x1.7a4c66p-1f, 0x1.4a002p-1f, -0x1.881736p-3f, 0x1.b028d2p-1f, -0x1.f7100ap-7f, -0x1.3b99dap-1f,
  0x1.400978p-3f, 0x1.5a329ap-1f, 0x1.29de3ep-2f, 0x1.4badc8p-1f, 0x1.3d0816p-2f, 0x1.5e76fcp-1f,
  0x1.a20ad8p-2f, 0x1.91afb2p-2f, -0x1.7d879p-1f, 0x1.00464ep-1f, 0x1.e19212p-3f, -0x1.7419ecp-3f, 0x0.0p+0f,
  0x0.0p+0f, 0x0.0p+0f, 0x0.0p+0f, 0x0.0p+0f, 0x0.0p+0f, -0x1.fff862p-2f, 0x1.087b1p-4f, 0x1.4e62b2p-5f,
  -0x1.3b9342p-2f, 0x1.003f22p-3f, 0x1.a5427ep-3f, 0x1.4a695ap-4f, -0x1.ab9b2ep-2f, -0x1.37ed72p-1f,
  0x1.4b8f98p-3f, 0x1.583fd2p-1f, 0x1.11c762p-1f, 0x0.0p+0f, 0x0.0p+0f
};

const bpfree_model model = {model_nodes, model_tensors, model_slices, model_frozen, 3, 4, 4, 44, 0, 0, 3, 16, 0, {0x4da7d508u, 0x63cc63a3u}};
