/*
 * heap.h
 *	  Binary heaps in arrays, made for their type of element.
 *
 * TRIDENT_BASE_HEAP(prefix, type, is_above) defines, to be compiled in line,
 *
 *	prefix_push(heap, n, element)		adds an element to n others; the array
 *										has room for it
 *	prefix_replace(heap, n, element)	puts an element in the place of the top
 *										one, heap[0], of n
 *
 * where is_above(a, b) is a function or macro that tells whether element a is
 * to be nearer to the top than b.  Array and count are the caller's.  The top
 * is taken by replacing it with the last of those that stay and it.
 */
#ifndef TRIDENT_BASE_HEAP_H
#define TRIDENT_BASE_HEAP_H

#define TRIDENT_BASE_HEAP(prefix, type, is_above) \
static inline void \
prefix##_push(type *heap, int n, type element) \
{ \
	int			i; \
\
	for (i = n; i > 0 && is_above(element, heap[(i - 1) / 2]); i = (i - 1) / 2) \
		heap[i] = heap[(i - 1) / 2]; \
	heap[i] = element; \
} \
\
static inline void \
prefix##_replace(type *heap, int n, type element) \
{ \
	int			i = 0; \
\
	for (;;) \
	{ \
		int			child = 2 * i + 1; \
\
		if (child >= n) \
			break; \
		if (child + 1 < n && is_above(heap[child + 1], heap[child])) \
			child++; \
		if (!is_above(heap[child], element)) \
			break; \
		heap[i] = heap[child]; \
		i = child; \
	} \
	heap[i] = element; \
}

#endif							/* TRIDENT_BASE_HEAP_H */
