/* The version in pyproject.toml, written by `make generate`. Do not edit. */
#define BPFREE_VERSION "0.1.0"
