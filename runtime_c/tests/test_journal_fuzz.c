/* SPDX-License-Identifier: MIT */
/* Journals that somebody forged: fields changed at random and every checksum made right again, so that what lies behind
 * the checksums is reached. BPFREE_FUZZ_ROUNDS in the environment: how many, of each journal. */
#define _POSIX_C_SOURCE 200112L
#include "journal_run.h"

enum { HEAD = 68, RECORD = 16, KIND = 12, PROGRAM = 60, TEXT = 64 }; /* FORMAT.md: sizes and places in bytes */

static uint32_t crc32(uint32_t crc, const uint8_t *bytes, uint64_t n)
{
  crc = ~crc;
  for (uint64_t k = 0; k < n; k++) {
    crc ^= bytes[k];
    for (uint32_t bit = 0; bit < 8; bit++) crc = crc & 1u ? crc >> 1 ^ 0xedb88320u : crc >> 1;
  }
  return ~crc;
}

static uint32_t get(const uint8_t *at)
{
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put(uint8_t *at, uint32_t value)
{
  for (uint32_t k = 0; k < 4; k++) at[k] = (uint8_t)(value >> 8 * k);
}

/* The end of what begins at `at` with so many bytes and a checksum, in whole programs; at most `size`. */
static uint64_t filled(uint64_t at, uint64_t bytes, uint32_t program, uint64_t size)
{
  const uint64_t most = program && program <= 32 ? program : 1, end = (at + bytes + most - 1) / most * most;
  return end < size ? end : size;
}

/* Makes the checksums right, of the header and of every record that lies whole in the bytes. Returns the records. */
static uint32_t sign(uint8_t *bytes, uint64_t size)
{
  uint32_t n = 0;
  if (size < HEAD + 4) return 0;
  const uint32_t program = get(bytes + PROGRAM);
  uint64_t at = filled(0, (uint64_t)HEAD + get(bytes + TEXT) + 4, program, size);
  const uint32_t seed = crc32(0, bytes, at - 4);
  put(bytes + at - 4, seed);
  while (size - at >= RECORD) {
    uint8_t place[8];
    const uint64_t end = filled(at, (uint64_t)RECORD + get(bytes + at + 8), program, size);
    put(place, (uint32_t)at);
    put(place + 4, (uint32_t)(at >> 32));
    const uint32_t head = crc32(crc32(seed, place, 8), bytes + at, 12);
    put(bytes + at + 12, crc32(head, bytes + at + RECORD, end - at - RECORD));
    at = end;
    n++;
  }
  return n;
}

static uint32_t word(uint32_t round, uint32_t k)
{
  const uint32_t key[2] = {0xf0aa, round}, counter[2] = {k, 0};
  uint32_t out[2];
  bpfree_threefry(key, counter, out);
  return out[0];
}

/* One field of the header or of a record: a number of no use, or one more or less. */
static void change(uint8_t *bytes, const uint64_t *at, uint32_t n, uint32_t round, uint32_t k)
{
  static const uint32_t numbers[] = {0, 1, 2, 3, 4, 5, 8, 0x10000, 0x40000000, 0x7fffffff, 0x80000000, 0xffffffff};
  const uint32_t r = word(round, k), other = r >> 8;
  uint8_t *field = bytes + KIND + 4 * (other % ((TEXT - KIND) / 4 + 1));
  if (r & 3u) field = bytes + at[other % n] + 4 * (other / n % 3); /* kind, step or size of a record */
  if ((r & 12u) == 12u) field = bytes + at[other % n] + RECORD; /* of a payload, the first number */
  put(field, r & 16u ? numbers[(r >> 5) % COUNT(numbers)] : get(field) + (r & 32u ? 1u : 0xffffffffu));
}

/* Records in another order, left out or there twice. */
static uint32_t shuffle(uint8_t *bytes, const golden_journal *g, const uint64_t *at, uint32_t n, uint32_t round)
{
  uint32_t size = (uint32_t)at[0];
  for (uint32_t k = 0; k < n; k++) {
    const uint32_t r = word(round, 64 + k), from = r % 8 ? k : (r >> 3) % n;
    const uint32_t length = (uint32_t)(at[from + 1] - at[from]);
    if (r >> 8 & 15u && size + length <= g->size) {
      memcpy(bytes + size, g->bytes + at[from], length);
      size += length;
    }
  }
  return size;
}

/* What a reader may answer, and that nothing is replayed but whole steps. Returns whether it was taken. */
static int read(run *r, const golden_journal *g, const uint8_t *bytes, uint32_t size)
{
  uint8_t *copy = copy_of(bytes, size);
  bpfree_journal j = {0};
  bpfree_journal_record record;
  volatile uint8_t seen = 0;
  int status = bpfree_journal_open(&j, copy, size);
  if (status == BPFREE_OK) {
    while ((status = bpfree_journal_next(&j, &record)) > 0)
      for (uint32_t k = 0; k < record.size; k++) seen ^= record.payload[k];
    CHECK(j.at <= size);
  }
  CHECK(status <= 0 && status >= BPFREE_ERR_NUMERIC && status != BPFREE_ERR_ARG && status != BPFREE_ERR_ALIGN);
  CHECK_EQUAL(bpfree_train_init(&r->trainer, &r->context), BPFREE_OK);
  memcpy(r->context.theta, golden_runs[0].network->theta, r->trainer.model->n_theta * sizeof(float));
  const int replayed = bpfree_journal_replay(&j, &r->trainer, &r->context, fingerprint_of(g), copy, size, ALL);
  CHECK(replayed <= 0);
  const int contradicts = status == BPFREE_OK && replayed == BPFREE_ERR_FORMAT; /* a snapshot, not those before it */
  if (replayed && !contradicts)
    CHECK_EQUAL(theta_of(r), bpfree_hash(golden_runs[0].network->theta, r->trainer.model->n_theta));
  free(copy);
  return status == BPFREE_OK;
}

static void fuzz(const golden_journal *g, uint32_t rounds)
{
  uint64_t at[64];
  uint32_t taken = 0;
  const uint32_t n = places(g, at);
  uint8_t *bytes = copy_of(g->bytes, g->size);
  run r;
  start(&r, g);
  CHECK_EQUAL(sign(bytes, g->size), n);
  CHECK_EQUAL(memcmp(bytes, g->bytes, g->size), 0); /* the checksums of a good journal are those it has */
  for (uint32_t round = 0; round < rounds; round++) {
    uint32_t size = g->size;
    memcpy(bytes, g->bytes, size);
    if (round % 3 == 0) size = shuffle(bytes, g, at, n, round);
    else
      for (uint32_t k = 0; k < round % 3; k++) change(bytes, at, n, round, k);
    sign(bytes, size);
    taken += (uint32_t)read(&r, g, bytes, size);
  }
  CHECK(taken > 0 && taken < rounds);
  end(&r);
  free(bytes);
}

int main(void)
{
  const char *given = getenv("BPFREE_FUZZ_ROUNDS");
  const uint32_t rounds = given ? (uint32_t)strtoul(given, NULL, 10) : 4000;
  for (uint32_t k = 0; k < COUNT(golden_journals); k++) {
    const int before = check_failures;
    fuzz(&golden_journals[k], rounds);
    if (check_failures > before) printf("in the journal \"%s\"\n", golden_journals[k].name);
  }
  return CHECK_RESULT();
}
