/*
 * vector.h
 *	  The types trident.vector and trident.halfvec: their layout, and what
 *	  other folders may call.
 *
 * Layout on disk, equal to pgvector's so that data moves without rewrite:
 *
 *		bytes	vector					halfvec
 *		0-3		varlena header			varlena header
 *		4-5		int16 dim, 1..16000		int16 dim, 1..16000
 *		6-7		int16 0					int16 0
 *		8-		float4[dim]				float16[dim]
 */
#ifndef TRIDENT_VECTOR_VECTOR_H
#define TRIDENT_VECTOR_VECTOR_H

#include "fmgr.h"

#include "base/compat.h"
#include "simd/simd.h"

#define TRIDENT_VECTOR_MAX_DIM 16000

typedef struct TridentVector
{
	int32		vl_len_;		/* varlena header; never touch directly */
	int16		dim;			/* number of dimensions */
	int16		unused;			/* always 0 */
	float		x[FLEXIBLE_ARRAY_MEMBER];
} TridentVector;

typedef struct TridentHalfvec
{
	int32		vl_len_;		/* varlena header; never touch directly */
	int16		dim;			/* number of dimensions */
	int16		unused;			/* always 0 */
	TridentHalf x[FLEXIBLE_ARRAY_MEMBER];
} TridentHalfvec;

#define TRIDENT_VECTOR_SIZE(dim) \
	(offsetof(TridentVector, x) + sizeof(float) * (dim))
#define TRIDENT_HALFVEC_SIZE(dim) \
	(offsetof(TridentHalfvec, x) + sizeof(TridentHalf) * (dim))

#define TRIDENT_VECTOR_P(d) ((TridentVector *) trident_vector_detoast(d))
#define TRIDENT_HALFVEC_P(d) ((TridentHalfvec *) trident_vector_detoast(d))

/* detoast.c */

/* Vectors read out of line that an index scan keeps for whoever needs them. */
typedef struct TridentVectorKept TridentVectorKept;

/* An empty one, in context, until that is reset. */
extern TridentVectorKept *trident_vector_kept_create(MemoryContext context);

/*
 * Keep a copy of value, which is datum detoasted; nothing is done where datum
 * is not stored out of line.  The caller's snapshot sees the row of datum
 * until context is reset.
 */
extern void trident_vector_keep(TridentVectorKept *kept, Datum datum,
								const struct varlena *value);

/* A palloc'd copy of a value that is stored in whatever other form. */
extern struct varlena *trident_vector_detoast_extended(struct varlena *value);

/*
 * PG_DETOAST_DATUM without a call where there is nothing to do: a distance is
 * asked for once a row, of two values.
 */
static inline struct varlena *
trident_vector_detoast(Datum datum)
{
	struct varlena *value = (struct varlena *) DatumGetPointer(datum);

	return VARATT_IS_EXTENDED(value) ?
		trident_vector_detoast_extended(value) : value;
}

/* A new zeroed vector or halfvec of dim dimensions, palloc'd here. */
extern TridentVector *trident_vector_new(int dim);
extern TridentHalfvec *trident_halfvec_new(int dim);

/* The two types, by what their elements are. */
typedef enum TridentVectorKind
{
	TRIDENT_VECTOR_FLOAT4,		/* vector */
	TRIDENT_VECTOR_FLOAT2		/* halfvec */
} TridentVectorKind;

#define TRIDENT_VECTOR_KINDS 2

/* What nearest means; each is an operator. */
typedef enum TridentVectorMetric
{
	TRIDENT_VECTOR_L2,			/* <-> */
	TRIDENT_VECTOR_IP,			/* <#>, the negative inner product */
	TRIDENT_VECTOR_COSINE,		/* <=> */
	TRIDENT_VECTOR_L1			/* <+> */
} TridentVectorMetric;

#define TRIDENT_VECTOR_METRICS 4

/* A distance of two arrays of dim elements: the operator's value. */
typedef double (*TridentVectorDistance) (int dim, const void *a, const void *b);

/* metric.c */

/* The function for that kind and metric; it follows trident.simd by itself. */
extern TridentVectorDistance trident_vector_distance(TridentVectorKind kind,
													 TridentVectorMetric metric);

#endif							/* TRIDENT_VECTOR_VECTOR_H */
