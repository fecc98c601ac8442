/* SPDX-License-Identifier: MIT */
/* The journal file, byte by byte as FORMAT.md says: read, replayed, written.
 *
 *   header    settings of the run, hash of the parameters it began with
 *   SCALARS   the coefficients of a step, a few bytes
 *   SNAPSHOT  theta and the update's state
 *   EVENT     a code and text for people
 *   SKIP      a step that moved nothing, and why
 *   SEAL      SHA-256 of all bytes before, by which others can verify them
 *
 * Bytes to be read are not trusted: nothing outside of them is looked at, and
 * theta is not touched before all of them have been verified. A record whose
 * CRC fails and that no good record follows is the torn end of a write that was
 * cut off: the journal ends before it. Not linked unless it is called. */
#ifndef BPFREE_JOURNAL_H
#define BPFREE_JOURNAL_H

#include "bpfree/sha256.h"
#include "bpfree/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
enum bpfree_record_type {
  BPFREE_SCALARS = 1,  /* these two are also the kinds of journals */
  BPFREE_SNAPSHOT = 2,
  BPFREE_EVENT = 3,
  BPFREE_SKIP = 4,
  BPFREE_SEAL = 5
};

enum bpfree_event_code {
  BPFREE_EVENT_END = 1,        /* the run ended; text: why */
  BPFREE_EVENT_VALIDATION = 2, /* text: the metric and its value */
  BPFREE_EVENT_WENT_BACK = 3   /* it diverged; text: the step whose theta is its model, ": ", words */
};

enum bpfree_skip_reason {
  BPFREE_SKIP_OTHER = 1,
  BPFREE_SKIP_SAMPLE = 2, /* a sample or a measurement could not be had */
  BPFREE_SKIP_NUMERIC = 3 /* a loss or the update was not finite */
};

/* What makes and verifies the seals of a journal; bpfree_seal_begin fills it. */
typedef struct bpfree_seal {
  bpfree_sha256 hash; /* of the bytes before journal->at */
  void (*take)(struct bpfree_seal *seal, const uint8_t *bytes, uint64_t n);
  int (*fits)(const struct bpfree_seal *seal, const uint8_t *digest);
} bpfree_seal;

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
  bpfree_seal *seal;    /* NULL: none are made, and those there are not looked at */
  uint32_t n_text;      /* bytes of it, at most 65536 */
  uint32_t kind;        /* BPFREE_SCALARS or BPFREE_SNAPSHOT */
  uint32_t seed;
  uint32_t n_theta;
  uint32_t n_record;    /* floats of a SCALARS record; 0 for kind BPFREE_SNAPSHOT */
  uint32_t n_state;     /* floats of the update's state */
  uint32_t first_step;
  uint32_t program;     /* bytes that a flash programs at once: 1, 8, 16 or 32; everything begins at a multiple */
  uint32_t crc;         /* of the header: seeds those of the records */
} bpfree_journal;

/* One record; `payload` points into the journal's bytes. */
typedef struct bpfree_journal_record {
  uint32_t type;          /* enum bpfree_record_type */
  uint32_t step;          /* SCALARS, SKIP: this step; else: before this step */
  uint32_t size;          /* bytes of payload */
  const uint8_t *payload; /* floats, little-endian, any alignment; EVENT, SKIP: uint32 code, then text */
} bpfree_journal_record;

/* FNV-1a-64 of settings: names the trainer a journal was written with. */
uint64_t bpfree_fingerprint(const uint8_t *text, uint32_t n_text);

/* Begins to read. Returns BPFREE_OK, BPFREE_ERR_SIZE (fewer bytes than a
 * header), BPFREE_ERR_FORMAT, BPFREE_ERR_VERSION or BPFREE_ERR_CRC. */
int bpfree_journal_open(bpfree_journal *journal, const uint8_t *bytes, uint64_t size);

/* The next record. Returns 1, or 0 at the end: journal->size - journal->at
 * bytes of torn tail are left, and journal->at is where to write on. Negative:
 * BPFREE_ERR_CRC, damage that good records follow; BPFREE_ERR_FORMAT, a record
 * that contradicts the journal (a step out of order, a number not finite, with
 * journal->seal a seal that is not that of the bytes before it). */
int bpfree_journal_next(bpfree_journal *journal, bpfree_journal_record *record);

/* Verifies all bytes, then replays them up to to_step steps (0xffffffff: all):
 * the theta, state and step the run had after them. Of a run that diverged, and
 * went back, its model is an earlier theta: bpfree_journal_model_step says which. `context` is as bpfree_train_init
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

/* Finds the to_step with which bpfree_journal_replay gives the run's model: 0xffffffff, or
 * the step that a run which diverged went back to. Returns BPFREE_OK; what bpfree_journal_open
 * and _next return; BPFREE_ERR_FORMAT when the journal does not have that step. */
int bpfree_journal_model_step(const uint8_t *bytes, uint64_t size, uint32_t *to_step);

/* Finds what of a damaged journal is good: all before the first damaged or
 * contradicting record. Returns BPFREE_OK where nothing is damaged, else what
 * bpfree_journal_open or _next return. journal->at: the bytes before the damage,
 * 0 where it is in the header. They are a journal of their own, of journal->step
 * - journal->first_step steps: bpfree_journal_replay takes them with `size` =
 * journal->at, bpfree_journal_verify tells what of them is sealed. Only who asks
 * for a part gets one: all other readers refuse a damaged journal as a whole. */
int bpfree_journal_up_to_damage(bpfree_journal *journal, const uint8_t *bytes, uint64_t size);

/* Writing: each call puts one piece into out, to be appended to the log at
 * journal->at, moves journal->at on and returns its bytes, whole programs; or
 * BPFREE_ERR_SIZE when `room` is too small, BPFREE_ERR_ARG when it cannot follow,
 * BPFREE_ERR_NUMERIC when a number in it is not finite: nothing happened then.
 * `text` are the settings as the host's Trainer.settings() gives them; they stay
 * the caller's. context->theta is what the journal begins with. */
int bpfree_journal_begin(bpfree_journal *journal, const bpfree_trainer *trainer, const bpfree_context *context,
                         uint32_t kind, uint32_t program, const uint8_t *text, uint32_t n_text, uint8_t *out, uint32_t room);

/* After bpfree_step: context->coefficients. */
int bpfree_journal_scalars(bpfree_journal *journal, const bpfree_context *context, uint8_t *out, uint32_t room);

/* Between steps: context->theta and context->state. */
int bpfree_journal_snapshot(bpfree_journal *journal, const bpfree_context *context, uint8_t *out, uint32_t room);

/* Between steps: a code and at most 4096 bytes of text. */
int bpfree_journal_event(bpfree_journal *journal, const bpfree_context *context, uint32_t code,
                         const uint8_t *text, uint32_t n_text, uint8_t *out, uint32_t room);

/* After bpfree_skip: why (enum bpfree_skip_reason), and at most 4096 bytes of text. */
int bpfree_journal_skip(bpfree_journal *journal, const bpfree_context *context, uint32_t reason,
                        const uint8_t *text, uint32_t n_text, uint8_t *out, uint32_t room);

/* From here on seals are made and verified. After bpfree_journal_begin, _open or
 * _replay: `bytes` are the journal->at bytes there are so far. `seal` stays the
 * caller's, alive as long as the journal is written or read. */
void bpfree_seal_begin(bpfree_seal *seal, bpfree_journal *journal, const uint8_t *bytes);

/* Between steps: SHA-256 of all bytes so far. BPFREE_ERR_ARG without bpfree_seal_begin. */
int bpfree_journal_seal(bpfree_journal *journal, const bpfree_context *context, uint8_t *out, uint32_t room);

/* Reads all of a journal, its seals too. *sealed: the bytes before the last seal, 0
 * without one. Returns BPFREE_OK or what bpfree_journal_open and _next return. */
int bpfree_journal_verify(const uint8_t *bytes, uint64_t size, uint64_t *sealed);
/* cffi: end */

#ifdef __cplusplus
}
#endif
#endif
