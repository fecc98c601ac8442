/* SPDX-License-Identifier: MIT */
/* Bytes of a journal, of any alignment, on machines of either order: what the
 * files that read, write and seal one share. */
#ifndef BPFREE_JOURNAL_BYTES_H
#define BPFREE_JOURNAL_BYTES_H

#include <stddef.h>
#include "bits.h"
#include "bpfree/journal.h"

#define VERSION 2u
#define HEAD 68u      /* of the header, up to the settings */
#define RECORD 16u    /* in front of a payload */
#define CRC_AT 12u    /* in a record */
#define DIGEST 32u    /* bytes of a seal */
#define MAX_SETTINGS 65536u
#define MAX_TEXT 4096u
#define MOST_FLOATS 0x40000000u

static const uint8_t magic[8] = {'B', 'P', 'F', 'J', '\r', '\n', 0x1a, '\n'};

static inline uint32_t get32(const uint8_t *p)
{
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

static inline uint8_t *put32(uint8_t *p, uint32_t value)
{
  for (uint32_t k = 0; k < 4; k++) *p++ = (uint8_t)(value >> 8 * k);
  return p;
}

static inline uint8_t *put_bytes(uint8_t *p, const uint8_t *values, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) *p++ = values[k];
  return p;
}

/* 0 where there are numbers that no journal has, whatever the trainer. */
int bpfree_journal_possible(const bpfree_journal *journal);

/* n bytes filled up to whole programs. */
static inline uint64_t filled(const bpfree_journal *j, uint64_t n)
{
  return (n + j->program - 1) & ~(uint64_t)(j->program - 1);
}

/* Zeros in front of the header's CRC. */
static inline uint32_t header_zeros(const bpfree_journal *j)
{
  const uint64_t used = (uint64_t)HEAD + j->n_text + 4;
  return (uint32_t)(filled(j, used) - used);
}

/* CRC-32 as in zip and Ethernet, going on from an earlier one. */
uint32_t bpfree_crc32(uint32_t crc, const uint8_t *bytes, uint64_t n);

/* CRC of a record at a byte of the journal: `rest` are n bytes of payload and zeros. */
uint32_t bpfree_record_check(const bpfree_journal *journal, uint64_t at, const uint8_t *head, const uint8_t *rest,
                             uint64_t n);

/* Does a record of this kind of journal and type have a payload of this size? */
int bpfree_record_fits(const bpfree_journal *journal, uint32_t type, uint64_t size);

/* Are the first n floats? */
int bpfree_payload_finite(const uint8_t *payload, uint32_t n);

/* Begins a record of `size` bytes of payload at this step; NULL where there is no room for it. */
uint8_t *bpfree_record_start(const bpfree_journal *journal, uint8_t *out, uint32_t room, uint32_t type, uint32_t step,
                             uint32_t size);

/* Fills the record up and ends it; returns its bytes. */
int bpfree_record_finish(bpfree_journal *journal, uint8_t *out);

/* May something that happened before context->step come next? */
int bpfree_journal_follows(const bpfree_journal *journal, const bpfree_context *context);

#endif
