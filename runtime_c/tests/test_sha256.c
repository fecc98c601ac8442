/* SPDX-License-Identifier: MIT */
/* SHA-256 on what FIPS 180-4's examples and NIST's test vectors say, in pieces of any size. */
#include "bpfree/sha256.h"
#include "check.h"

typedef struct answer {
  const char *message;
  uint32_t times; /* repeated */
  uint32_t digest[8];
} answer;

/* NIST, "Examples with intermediate values", SHA256.pdf and SHA2_Additional.pdf. */
static const answer answers[] = {
    {"abc", 1, {0xba7816bfu, 0x8f01cfeau, 0x414140deu, 0x5dae2223u, 0xb00361a3u, 0x96177a9cu, 0xb410ff61u, 0xf20015adu}},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     1,
     {0x248d6a61u, 0xd20638b8u, 0xe5c02693u, 0x0c3e6039u, 0xa33ce459u, 0x64ff2167u, 0xf6ecedd4u, 0x19db06c1u}},
    {"", 1, {0xe3b0c442u, 0x98fc1c14u, 0x9afbf4c8u, 0x996fb924u, 0x27ae41e4u, 0x649b934cu, 0xa495991bu, 0x7852b855u}},
    {"\xbd", 1, {0x68325720u, 0xaabd7c82u, 0xf30f554bu, 0x313d0570u, 0xc95accbbu, 0x7dc4b5aau, 0xe11204c0u, 0x8ffe732bu}},
    {"a",
     1000000,
     {0xcdc76e5cu, 0x9914fb92u, 0x81a1c7e2u, 0x84d73e67u, 0xf1809a48u, 0xa497200eu, 0x046d39ccu, 0xc7112cd0u}},
};

static void check_digest(const bpfree_sha256 *hash, const uint32_t want[8])
{
  uint8_t digest[32];
  bpfree_sha256_digest(digest, hash);
  for (uint32_t k = 0; k < 8; k++) {
    const uint8_t *p = digest + 4 * k;
    CHECK_EQUAL((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3], want[k]);
  }
}

int main(void)
{
  for (uint32_t k = 0; k < sizeof answers / sizeof answers[0]; k++) {
    const uint8_t *message = (const uint8_t *)answers[k].message;
    const uint32_t n = (uint32_t)strlen(answers[k].message);
    for (uint32_t piece = 1; piece <= n + 1; piece += 1 + piece / 2) {
      bpfree_sha256 hash;
      bpfree_sha256_start(&hash);
      for (uint32_t time = 0; time < answers[k].times; time++)
        for (uint32_t at = 0; at < n; at += piece) {
          uint8_t early[32];
          bpfree_sha256_add(&hash, message + at, n - at < piece ? n - at : piece);
          if (answers[k].times == 1) bpfree_sha256_digest(early, &hash); /* to ask changes nothing */
        }
      check_digest(&hash, answers[k].digest);
    }
  }
  return CHECK_RESULT();
}
