/* What the computer got, written by `make generate`. Do not edit. */
#ifndef EXPECTED_H
#define EXPECTED_H

enum { STEPS = 50 };
#define EXPECTED_HASH 0xb64c92db9f4b948dull /* bpfree_hash(theta, MODEL_THETA) after so many steps */

#endif
