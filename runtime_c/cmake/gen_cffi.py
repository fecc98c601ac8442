"""Write the source of bpfree._core: `gen_cffi.py OUTPUT.c HEADER...`.

The declarations are the real text of the headers between these two lines, each alone on its line,
so there is no second copy that could drift; the C compiler then checks them once more against the
whole headers (cffi API mode).

    /* cffi: begin */
    /* cffi: end */

A header may have several marked parts. Inside them cffi understands comments, typedefs, structs,
enums, prototypes and `#define NAME 123`, and nothing else of the preprocessor: no #if, no #include,
no macro calls.
"""

import os
import sys
import sysconfig

from cffi import FFI, CDefError

BEGIN = "/* cffi: begin */"
END = "/* cffi: end */"
PREAMBLE = '#include "bpfree/bpfree.h"\n#include "bpfree/host.h"'


def marked_parts(path):
    """The text between the markers of one header, with line directives for cffi's messages."""
    parts = []
    begun = None  # line of the marker that is still open
    with open(path, encoding="utf-8") as header:
        for number, line in enumerate(header, start=1):
            text = line.strip()
            if text == BEGIN:
                if begun is not None:
                    sys.exit(f"{path}:{number}: '{BEGIN}' again, the one of line {begun} has no '{END}'")
                begun = number
                parts.append(f'# {number + 1} "{path}"\n')
            elif text == END:
                if begun is None:
                    sys.exit(f"{path}:{number}: '{END}' without '{BEGIN}'")
                begun = None
            elif "cffi:" in text:
                sys.exit(f"{path}:{number}: no marker: {text!r}; '{BEGIN}', '{END}' stand alone")
            elif begun is not None:
                parts.append(line)
    if begun is not None:
        sys.exit(f"{path}:{begun}: '{BEGIN}' without '{END}'")
    if not parts:
        sys.exit(f"{path}: no '{BEGIN}': mark a part, or take the header off BPFREE_CFFI_HEADERS")
    return "".join(parts)


def main(output, headers):
    ffi = FFI()
    for path in headers:
        try:
            ffi.cdef(marked_parts(path))
        except CDefError as error:
            sys.exit(f"{path}: cffi does not understand the marked part: {error}")
    # The stable ABI does not exist in free-threaded Python; CMakeLists.txt makes the same choice.
    stable_abi = not sysconfig.get_config_var("Py_GIL_DISABLED")
    ffi.set_source("bpfree._core", PREAMBLE, py_limited_api=stable_abi)
    ffi.emit_c_code(output)
    os.utime(output)  # cffi leaves an unchanged file alone, and the build would run this again and again


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
