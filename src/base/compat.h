/*
 * compat.h
 *	  The one place that knows which PostgreSQL major this is compiled for.
 *
 * Supported are the majors that the community supports: 15, 16, 17 and 18.
 * Whatever differs between them gets a name here, so that no other file
 * tests PG_VERSION_NUM.
 */
#ifndef TRIDENT_BASE_COMPAT_H
#define TRIDENT_BASE_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "trident needs PostgreSQL 15 or later"
#endif
#if PG_VERSION_NUM >= 190000
#error "trident supports PostgreSQL 15 to 18; this major is newer"
#endif

/* PG 16 made varatt.h a header of its own. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* PG 16 lets a caller ask to get an error back; before, it is raised. */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#else
#define ereturn(context, dummy_value, ...) \
	do { \
		(void) (context); \
		ereport(ERROR, __VA_ARGS__); \
		return dummy_value; \
	} while (0)
#endif

#endif							/* TRIDENT_BASE_COMPAT_H */
