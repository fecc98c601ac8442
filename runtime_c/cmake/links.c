/* SPDX-License-Identifier: MIT */
/* Links all that bpfree._core is made of, as a program: a row of a table without
 * its C file ends the build here, where a Python extension would link and only
 * fail to load. It runs nowhere. */
#include "bpfree/bpfree.h"
#include "bpfree/host.h"

int main(void) { return bpfree_registry_op(0, 0) ? 0 : 1; }
