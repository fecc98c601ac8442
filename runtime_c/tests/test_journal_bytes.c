/* SPDX-License-Identifier: MIT */
/* Whatever happens to a journal's bytes, they are refused or known as torn. */
#define _POSIX_C_SOURCE 200112L
#include "journal_run.h"

/* Opens and reads to the end. Returns 0 or the status; *at is where the good records end. */
static int read_all(const uint8_t *bytes, uint32_t size, uint64_t *at)
{
  uint8_t *copy = copy_of(bytes, size);
  bpfree_journal j = {0};
  bpfree_journal_record r;
  volatile uint8_t seen = 0;
  int status = bpfree_journal_open(&j, copy, size);
  while (status >= 0 && (status = bpfree_journal_next(&j, &r)) > 0)
    for (uint32_t k = 0; k < r.size; k++) seen ^= r.payload[k]; /* every byte can be read */
  *at = j.at;
  free(copy);
  return status;
}

/* Cut off anywhere: the header is incomplete, or the journal ends with the last whole record. */
static void truncations(const golden_journal *g)
{
  uint64_t at[64], reached;
  const uint32_t n = places(g, at);
  for (uint32_t size = 0; size < g->size; size++) {
    const int status = read_all(g->bytes, size, &reached);
    if (size < at[0]) {
      CHECK_EQUAL(status, BPFREE_ERR_SIZE);
      continue;
    }
    uint32_t whole = 0;
    while (whole < n && at[whole + 1] <= size) whole++;
    CHECK_EQUAL(status, 0);
    CHECK_EQUAL(reached, at[whole]);
  }
}

/* One byte changed: damage, but for the last record, which is then a torn end. */
static void corruptions(const golden_journal *g, uint32_t stride)
{
  uint64_t at[64], reached;
  const uint32_t n = places(g, at);
  uint8_t *bytes = copy_of(g->bytes, g->size);
  for (uint32_t k = 0; k < g->size; k++)
    for (uint32_t change = 1; change < 256; change += stride) {
      bytes[k] = (uint8_t)(g->bytes[k] ^ change);
      const int status = read_all(bytes, g->size, &reached);
      bytes[k] = g->bytes[k];
      if (k < at[0])
        CHECK(status == BPFREE_ERR_CRC || status == BPFREE_ERR_FORMAT || status == BPFREE_ERR_VERSION ||
              status == BPFREE_ERR_SIZE);
      else
        CHECK_EQUAL(status, k < at[n - 1] ? BPFREE_ERR_CRC : 0);
      if (k >= at[n - 1]) CHECK_EQUAL(reached, at[n - 1]);
    }
  free(bytes);
}

/* Every byte of a record in the middle changed: the steps before it can be had, by who asks for them. */
static void recoveries(const golden_journal *g)
{
  uint64_t at[64];
  const uint32_t n = places(g, at), bad = n / 2;
  uint8_t *bytes = copy_of(g->bytes, g->size);
  run r;
  bpfree_journal j, whole;
  start(&r, g);
  CHECK_EQUAL(bpfree_journal_up_to_damage(&j, bytes, g->size), BPFREE_OK);
  CHECK_EQUAL(j.at, g->size);
  CHECK_EQUAL(bpfree_journal_open(&whole, g->bytes, at[bad]), BPFREE_OK);
  bpfree_journal_record record;
  while (bpfree_journal_next(&whole, &record) > 0) {}
  uint64_t before = 0;
  for (uint64_t k = at[bad]; k < at[bad + 1]; k++)
    for (uint32_t change = 1; change < 256; change = change * 2 + 1) {
      bytes[k] = (uint8_t)(g->bytes[k] ^ change);
      CHECK_EQUAL(bpfree_journal_up_to_damage(&j, bytes, g->size), BPFREE_ERR_CRC);
      CHECK_EQUAL(j.at, at[bad]);
      CHECK_EQUAL(j.step, whole.step);
      for (uint32_t part = 0; part < 2; part++) { /* refused as a whole, replayed in part */
        CHECK_EQUAL(bpfree_train_init(&r.trainer, &r.context), BPFREE_OK);
        memcpy(r.context.theta, golden_runs[0].network->theta, r.trainer.model->n_theta * sizeof(float));
        CHECK_EQUAL(bpfree_journal_replay(&j, &r.trainer, &r.context, fingerprint_of(g), bytes,
                                          part ? at[bad] : g->size, ALL),
                    part ? BPFREE_OK : BPFREE_ERR_CRC);
        if (!part) CHECK_EQUAL(theta_of(&r), bpfree_hash(golden_runs[0].network->theta, r.trainer.model->n_theta));
      }
      if (before) CHECK_EQUAL(theta_of(&r), before);
      before = theta_of(&r);
      bytes[k] = g->bytes[k];
    }
  bytes[20] ^= 1u;
  CHECK_EQUAL(bpfree_journal_up_to_damage(&j, bytes, g->size), BPFREE_ERR_CRC);
  CHECK_EQUAL(j.at, 0); /* nothing is left without a header */
  end(&r);
  free(bytes);
}

/* Bytes changed, moved and repeated at random: no crash, a status that is documented, nothing replayed but whole steps. */
static void fuzz(const golden_journal *g, uint32_t rounds)
{
  uint8_t *bytes = copy_of(g->bytes, g->size);
  run r;
  start(&r, g);
  for (uint32_t round = 0; round < rounds; round++) {
    uint32_t key[2] = {0xb9f, round}, size = g->size;
    memcpy(bytes, g->bytes, size);
    for (uint32_t k = 0; k < 1 + round % 7; k++) {
      uint32_t word[2];
      const uint32_t counter[2] = {k, 0};
      bpfree_threefry(key, counter, word);
      const uint32_t from = word[0] % size, to = (word[0] >> 16) % size, room = size - (from > to ? from : to);
      if (word[1] & 1u) bytes[from] = (uint8_t)(word[1] >> 8);
      else if (word[1] & 2u) memmove(bytes + to, bytes + from, (word[1] >> 8) % (room + 1));
      else if (word[1] & 4u) memset(bytes + from, word[1] & 8u ? 0xff : 0, (word[1] >> 8) % (size - from + 1));
      else size = from + 1;
    }
    uint8_t *copy = copy_of(bytes, size);
    bpfree_journal j;
    CHECK_EQUAL(bpfree_train_init(&r.trainer, &r.context), BPFREE_OK);
    memcpy(r.context.theta, golden_runs[0].network->theta, r.trainer.model->n_theta * sizeof(float));
    const int status = bpfree_journal_replay(&j, &r.trainer, &r.context, fingerprint_of(g), copy, size, ALL);
    CHECK(status <= 0 && status >= BPFREE_ERR_CRC && status != BPFREE_ERR_ARG && status != BPFREE_ERR_ALIGN);
    if (status) CHECK_EQUAL(theta_of(&r), bpfree_hash(golden_runs[0].network->theta, r.trainer.model->n_theta));
    free(copy);
  }
  end(&r);
  free(bytes);
}

/* Records swapped, or of a journal with another base, though each is good in its place. */
static void strangers(void)
{
  uint64_t at[64], reached;
  const uint32_t n = places(PLAIN, at), size = (uint32_t)(at[1] - at[0]);
  uint8_t *bytes = copy_of(PLAIN->bytes, PLAIN->size);
  CHECK(n > 3 && at[2] - at[1] == size);
  memcpy(bytes + at[0], PLAIN->bytes + at[1], size);
  memcpy(bytes + at[1], PLAIN->bytes + at[0], size);
  CHECK_EQUAL(read_all(bytes, PLAIN->size, &reached), BPFREE_ERR_CRC);
  memcpy(bytes, PLAIN->bytes, PLAIN->size);
  run r;
  bpfree_journal j, read;
  start(&r, PLAIN);
  CHECK_EQUAL(bpfree_journal_open(&read, PLAIN->bytes, PLAIN->size), BPFREE_OK);
  r.context.theta[0] += 1.0f;
  CHECK_EQUAL(bpfree_journal_begin(&j, &r.trainer, &r.context, BPFREE_SCALARS, read.program, read.text, read.n_text,
                                   bytes, (uint32_t)at[0]),
              at[0]);
  CHECK_EQUAL(read_all(bytes, PLAIN->size, &reached), 0); /* no record is good: all of them are a torn end */
  CHECK_EQUAL(reached, at[0]);
  end(&r);
  free(bytes);
}

/* Everything begins at a multiple of what a flash programs at once; other sizes there are not. */
static void programs(void)
{
  static const uint32_t sizes[] = {1, 8, 16, 32, 0, 2, 4, 24, 64, 0x80000000u};
  static const uint8_t text[] = "settings";
  for (uint32_t k = 0; k < COUNT(sizes); k++)
    for (uint32_t n_text = 0; n_text < sizeof text; n_text++) {
      run r;
      bpfree_journal j;
      uint8_t out[1024];
      uint64_t reached;
      start(&r, PLAIN);
      memset(out, 0xff, sizeof out); /* as an erased flash is */
      const int n = bpfree_journal_begin(&j, &r.trainer, &r.context, BPFREE_SCALARS, sizes[k], text, n_text, out, 512);
      CHECK_EQUAL(n > 0 ? 0 : n, k < 4 ? 0 : BPFREE_ERR_ARG);
      if (n > 0) {
        uint32_t size = (uint32_t)n;
        for (uint32_t step = 0; step < 3; step++) {
          CHECK_EQUAL(size % sizes[k], 0);
          size += (uint32_t)bpfree_journal_event(&j, &r.context, 7, text, step, out + size, 1024 - size);
        }
        CHECK_EQUAL(read_all(out, sizeof out, &reached), 0);
        CHECK_EQUAL(reached, size);
        out[size - 1] ^= 1u; /* a zero of the filling, or the text's last letter */
        CHECK_EQUAL(read_all(out, sizeof out, &reached), 0);
        CHECK(reached < size);
      }
      end(&r);
    }
}

int main(void)
{
  for (uint32_t k = 0; k < COUNT(golden_journals); k++) {
    const int before = check_failures;
    truncations(&golden_journals[k]);
    fuzz(&golden_journals[k], 4000);
    recoveries(&golden_journals[k]);
    if (check_failures > before) printf("in the journal \"%s\"\n", golden_journals[k].name);
  }
  corruptions(PLAIN, 1);
  corruptions(ADAM, 63);
  corruptions(&golden_journals[2], 63);
  programs();
  strangers();
  return CHECK_RESULT();
}
