/*
 * metric.c
 *	  The distances of the operators, for callers that hold two arrays.
 *
 * One function a kind and a metric, with the arithmetic of the function
 * behind the operator: equal to its value, bit for bit.
 */
#include "postgres.h"

#include "vector/distance.h"

static double
l2_f32(int dim, const void *a, const void *b)
{
	return sqrt((double) trident_simd.l2_squared_f32(dim, a, b));
}

static double
ip_f32(int dim, const void *a, const void *b)
{
	return (double) -trident_simd.inner_product_f32(dim, a, b);
}

static double
cosine_f32(int dim, const void *a, const void *b)
{
	return trident_vector_cosine(trident_simd.cosine_f32(dim, a, b));
}

static double
l1_f32(int dim, const void *a, const void *b)
{
	return (double) trident_simd.l1_f32(dim, a, b);
}

static double
l2_f16(int dim, const void *a, const void *b)
{
	return sqrt((double) trident_simd.l2_squared_f16(dim, a, b));
}

static double
ip_f16(int dim, const void *a, const void *b)
{
	return (double) -trident_simd.inner_product_f16(dim, a, b);
}

static double
cosine_f16(int dim, const void *a, const void *b)
{
	return trident_vector_cosine(trident_simd.cosine_f16(dim, a, b));
}

static double
l1_f16(int dim, const void *a, const void *b)
{
	return (double) trident_simd.l1_f16(dim, a, b);
}

TridentVectorDistance
trident_vector_distance(TridentVectorKind kind, TridentVectorMetric metric)
{
	static const TridentVectorDistance table[TRIDENT_VECTOR_KINDS][TRIDENT_VECTOR_METRICS] = {
		[TRIDENT_VECTOR_FLOAT4] = {
			[TRIDENT_VECTOR_L2] = l2_f32,
			[TRIDENT_VECTOR_IP] = ip_f32,
			[TRIDENT_VECTOR_COSINE] = cosine_f32,
			[TRIDENT_VECTOR_L1] = l1_f32
		},
		[TRIDENT_VECTOR_FLOAT2] = {
			[TRIDENT_VECTOR_L2] = l2_f16,
			[TRIDENT_VECTOR_IP] = ip_f16,
			[TRIDENT_VECTOR_COSINE] = cosine_f16,
			[TRIDENT_VECTOR_L1] = l1_f16
		}
	};

	return table[kind][metric];
}
