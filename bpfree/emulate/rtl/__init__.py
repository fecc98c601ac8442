# SPDX-License-Identifier: MIT
"""Soft cores for FPGAs: the firmware runs on the core's own Verilog, simulated clock cycle by clock cycle.

The cores come with the extra `rtl`, none of their Verilog is part of this package. Verilator makes a simulator of a
core, `testbench.v` with flash, RAM and mailbox, and a C++ compiler; it is kept in the user's cache folder.
"""
