/*
 * kernel.h
 *	  What the files of one instruction set share: the vocabulary that their
 *	  kernels are written in, and the tables that they fill.
 *
 * The kernels of a file have one shape each for sum, cosine and norm.  What
 * differs between them - the term that is added up and the type of the
 * elements - are constants at every call, and the shapes are always inlined,
 * so the compiler makes a straight loop of each.
 *
 * An instruction set is switched on by a target attribute on every function,
 * never by a compiler flag: the rest of the library must run on any processor
 * of the architecture, and the bitcode build sees no flags of a file.  All
 * that such a function calls must be inlined or carry the same attribute.
 */
#ifndef TRIDENT_SIMD_KERNEL_H
#define TRIDENT_SIMD_KERNEL_H

#include "simd/simd.h"

/* Which of the instruction sets this build has code for. */
#if defined(__x86_64__) && defined(__GNUC__)
#define TRIDENT_SIMD_HAVE_X86 1
#endif
#if defined(__aarch64__) && defined(__ARM_NEON) && defined(__GNUC__)
#define TRIDENT_SIMD_HAVE_NEON 1
#endif

/* What a sum adds up for each pair of elements. */
typedef enum SumTerm
{
	TERM_L2_SQUARED,			/* (a - b) squared */
	TERM_INNER_PRODUCT,			/* a * b */
	TERM_L1						/* |a - b| */
} SumTerm;

/* What the arrays hold; arithmetic is in float4 either way. */
typedef enum ElementType
{
	ELEMENT_F32,
	ELEMENT_F16
} ElementType;

/* scalar.c */
extern const TridentSimdOps trident_simd_scalar;

/* code_scalar.c */
extern const TridentSimdCodeOps trident_simd_code_scalar;

#ifdef TRIDENT_SIMD_HAVE_X86
/* avx2.c */
extern const TridentSimdOps trident_simd_avx2;

/* code_avx2.c */
extern const TridentSimdCodeOps trident_simd_code_avx2;

/* avx512.c */
extern const TridentSimdOps trident_simd_avx512;

/* code_avx512.c; "bytes" needs VBMI and VNNI as well */
extern const TridentSimdCodeOps trident_simd_code_avx512;
extern const TridentSimdCodeOps trident_simd_code_avx512bytes;
#endif

#ifdef TRIDENT_SIMD_HAVE_NEON
/* neon.c */
extern const TridentSimdOps trident_simd_neon;

/* code_neon.c */
extern const TridentSimdCodeOps trident_simd_code_neon;
#endif

#endif							/* TRIDENT_SIMD_KERNEL_H */
