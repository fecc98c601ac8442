/* SPDX-License-Identifier: MIT */
/*
 * strict.h - what the sources of the runtime ask of the compiler, so that a sum has the same bits everywhere.
 *
 * config.h includes it before any code. A program that includes bpfree.h is left alone: its own files may be compiled
 * as it likes. One that computes samples as the computer does can include this header first, and gets the same care.
 */
#ifndef BPFREE_STRICT_H
#define BPFREE_STRICT_H

#include <float.h>

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || \
  defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__)
#error "bpfree needs strict arithmetic: compile it without -Ofast, -ffast-math and the options that these stand for"
#endif

/* 16 is 0 for float: only _Float16 has a precision of its own, as GCC says for Cortex-M55 in its GNU modes. */
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "bpfree needs float arithmetic in float: FLT_EVAL_METHOD must be 0 (on x86 use SSE)"
#endif

/* Vectors of floats (bit 1; bit 0 is integers) flush subnormal numbers to 0 whatever FPSCR says, and compilers make
 * them of loops without being asked. */
#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE & 2
#error "bpfree needs arithmetic without MVE, whose vectors flush subnormal numbers: add +nomve, as in \
-mcpu=cortex-m55+nomve. Makefile: CPU or CFLAGS. STM32CubeIDE: Properties, C/C++ Build, Settings, MCU GCC Compiler, \
Miscellaneous. Zephyr: zephyr_library_compile_options() of the module. PlatformIO: build_flags and build_unflags. \
Arduino: compiler.c.extra_flags in platform.local.txt. Only the files of bpfree need it"
#endif

/* A fused multiply-add rounds once where bpfree counts on twice. GCC fuses in its GNU modes, which is what frameworks
 * pass, and not in -std=c99, where the pragma would only cost: functions that have options of their own are compiled a
 * little larger. */
#if defined(__GNUC__) && !defined(__clang__)
#ifndef __STRICT_ANSI__
#pragma GCC optimize("fp-contract=off")
#endif
#else
#pragma STDC FP_CONTRACT OFF
#endif

#endif
