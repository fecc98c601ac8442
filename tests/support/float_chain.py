"""A program of float operations that a fused multiply-add would change."""

FLOAT_CHAIN = """
static volatile float x[300];
int main(void) { uint32_t s = 12345u;
  for (int i = 0; i < 300; i++) {
    s = s * 1664525u + 1013904223u; x[i] = (float)(int32_t)(s >> 8) * 0.001f - 8000.0f; }
  float a = 0.5f;
  for (int i = 0; i < 300; i++) { a = a * 0.97f + x[i] * x[299 - i]; a = a / (x[i] + 0.25f);
    union { float f; uint32_t u; } bits = {a}; port_emit(PORT_WORD, bits.u); }
  return 0; }"""
