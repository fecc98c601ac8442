/* SPDX-License-Identifier: MIT */
/* The journal file, byte by byte as FORMAT.md says: read, replayed, written.
 *
 *   header    settings of the run, hash of the parameters it began with
 *   SCALARS   the coefficients of a step, a few bytes
 *   SNAPSHOT  theta and the update's state
 *   EVENT     a code and text for people
 *
 * Bytes to be read are not trusted: nothing outside of them is looked at, and
 * theta is not touched before all of them have been verified. A record whose
 * CRC fails and that no good record follows is the torn end of a write that was
 * cut off: the journal ends before it. Not linked unless it is called. */
#ifndef BPFREE_JOURNAL_H
#define BPFREE_JOURNAL_H

#include "bpfree/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
enum bpfree_record_type {
  BPFREE_SCALARS = 1,  /* these two are also the kinds of journals */
  BPFREE_SNAPSHOT = 2,
  BPFREE_EVENT = 3
};

enum bpfree_event_code {
  BPFREE_EVENT_END = 1,       /* the run ended; text: why */
  BPFREE_EVENT_VALIDATION = 2 /* text: the metric and its value */
};

/* A journal being read or written. */
typedef struct bpfree_journal {
  const uint8_t *bytes; /* to be read; NULL while writing */
  uint64_t size;        /* of them */
  uint64_t at;          /* where the next record is, or goes */
  uint64_t model;       /* hash of the graph */
  uint64_t base;        /* theta hash before first_step */
  uint64_t fingerprint; /* of the settings */
  uint64_t step;        /* the next step; 2^32 after the last there can be */
  const uint8_t *text;  /* the settings, JSON in ASCII; not terminated */
  uint32_t n_text;      /* bytes of it, at most 65536 */
  uint32_t kind;        /* BPFREE_SCALARS or BPFREE_SNAPSHOT */
  uint32_t seed;
  uint32_t n_theta;
  uint32_t n_record;    /* floats of a SCALARS record; 0 for kind BPFREE_SNAPSHOT */
  uint32_t n_state;     /* floats of the update's state */
  uint32_t first_step;
  uint32_t crc;         /* of the header: seeds those of the records */
} bpfree_journal;

/* One record; `payload` points into the journal's bytes. */
typedef struct bpfree_journal_record {
  uint32_t type;          /* enum bpfree_record_type */
  uint32_t step;          /* SCALARS: this step; else: before this step */
  uint32_t size;          /* bytes of payload */
  const uint8_t *payload; /* floats, little-endian, any alignment; EVENT: uint32 code, then text */
} bpfree_journal_record;

/* FNV-1a-64 of settings: names the trainer a journal was written with. */
uint64_t bpfree_fingerprint(const uint8_t *text, uint32_t n_text);

/* Begins to read. Returns BPFREE_OK, BPFREE_ERR_SIZE (fewer bytes than a
 * header), BPFREE_ERR_FORMAT, BPFREE_ERR_VERSION or BPFREE_ERR_CRC. */
int bpfree_journal_open(bpfree_journal *journal, const uint8_t *bytes, uint64_t size);

/* The next record. Returns 1, or 0 at the end: journal->size - journal->at
 * bytes of torn tail are left, and journal->at is where to write on. Negative:
 * BPFREE_ERR_CRC, damage that good records follow; BPFREE_ERR_FORMAT, a record
 * that contradicts the journal (a step out of order, a number not finite). */
int bpfree_journal_next(bpfree_journal *journal, bpfree_journal_record *record);

/* Verifies all bytes, then replays them up to to_step steps (0xffffffff: all):
 * the theta, state and step the run had. `context` is as bpfree_train_init
 * leaves it, with the theta the journal began with; `fingerprint` is that of
 * the settings this trainer has. `journal` is ready for writing on.
 *
 * Returns BPFREE_OK; what bpfree_journal_open and _next return; BPFREE_ERR_MODEL
 * when trainer, fingerprint or theta are not those of the journal;
 * BPFREE_ERR_ARG when to_step cannot be reached; BPFREE_ERR_FORMAT when a
 * snapshot is not what the scalars lead to, or when the state of the update at
 * first_step is not in the journal. On error theta, state and step are as
 * before, but for a snapshot that contradicts scalars, which leaves those before it replayed. */
int bpfree_journal_replay(bpfree_journal *journal, const bpfree_trainer *trainer, bpfree_context *context,
                          uint64_t fingerprint, const uint8_t *bytes, uint64_t size, uint32_t to_step);

/* Writing: each call puts one piece into out, to be appended to the log at
 * journal->at, moves journal->at on and returns its bytes; or BPFREE_ERR_SIZE
 * when `room` is too small (nothing happened), BPFREE_ERR_ARG when it cannot
 * follow. `text` are the settings as the host's Trainer.settings() gives them;
 * they stay the caller's. context->theta is what the journal begins with. */
int bpfree_journal_begin(bpfree_journal *journal, const bpfree_trainer *trainer, const bpfree_context *context,
                         uint32_t kind, const uint8_t *text, uint32_t n_text, uint8_t *out, uint32_t room);

/* After bpfree_step: context->coefficients. */
int bpfree_journal_scalars(bpfree_journal *journal, const bpfree_context *context, uint8_t *out, uint32_t room);

/* Between steps: context->theta and context->state. */
int bpfree_journal_snapshot(bpfree_journal *journal, const bpfree_context *context, uint8_t *out, uint32_t room);

/* Between steps: a code and at most 4096 bytes of text. */
int bpfree_journal_event(bpfree_journal *journal, const bpfree_context *context, uint32_t code,
                         const uint8_t *text, uint32_t n_text, uint8_t *out, uint32_t room);
/* cffi: end */

#ifdef __cplusplus
}
#endif
#endif
