/*
 * detoast.c
 *	  Values that are stored out of line, read once where they are asked for
 *	  twice.
 *
 * An index scan in the order of a distance reads the vectors of the rows that
 * may be next, and of each row that it returns the executor computes the
 * distance again, for the sort column of the query.  Reading a vector that is
 * stored out of line takes longer than all else that is done for its row.  So
 * the scan keeps the last few that it has read, by the address that the row
 * has for them, and what reads a vector (trident_vector_detoast) looks there.
 *
 * An address stands for the same value as long as any snapshot sees a row that
 * has it.  The scan's does, and what is kept goes away with the scan: by a
 * callback of its memory context, which errors reset too.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "vector/vector.h"

/* A row leaves a scan soon after it has been read. */
#define KEPT 32

struct TridentVectorKept
{
	MemoryContext context;
	int			next;			/* to be overwritten next */
	struct varatt_external addresses[KEPT];
	struct varlena *values[KEPT];
	Size		sizes[KEPT];	/* of the chunks of values */
};

/* What the scan that read a value last has kept. */
static TridentVectorKept *latest;

/* The context is reset. */
static void
forget(void *arg)
{
	if (latest == arg)
		latest = NULL;
}

TridentVectorKept *
trident_vector_kept_create(MemoryContext context)
{
	TridentVectorKept *kept = MemoryContextAllocZero(context, sizeof(*kept));
	MemoryContextCallback *callback = MemoryContextAlloc(context, sizeof(*callback));

	kept->context = context;
	callback->func = forget;
	callback->arg = kept;
	MemoryContextRegisterResetCallback(context, callback);
	return kept;
}

void
trident_vector_keep(TridentVectorKept *kept, Datum datum,
					const struct varlena *value)
{
	struct varlena *address = (struct varlena *) DatumGetPointer(datum);
	int			i = kept->next;
	Size		size = VARSIZE(value);

	if (!VARATT_IS_EXTERNAL_ONDISK(address))
		return;
	if (size > kept->sizes[i])
	{
		if (kept->values[i])
			pfree(kept->values[i]);
		kept->values[i] = NULL;
		kept->sizes[i] = 0;
		kept->values[i] = MemoryContextAlloc(kept->context, size);
		kept->sizes[i] = size;
	}
	memcpy(kept->values[i], value, size);
	VARATT_EXTERNAL_GET_POINTER(kept->addresses[i], address);
	kept->next = (i + 1) % KEPT;
	latest = kept;
}

struct varlena *
trident_vector_detoast_extended(struct varlena *value)
{
	struct varatt_external address;
	int			i;

	if (latest == NULL || !VARATT_IS_EXTERNAL_ONDISK(value))
		return pg_detoast_datum(value);
	VARATT_EXTERNAL_GET_POINTER(address, value);
	for (i = 0; i < KEPT; i++)
	{
		if (latest->values[i] != NULL &&
			latest->addresses[i].va_valueid == address.va_valueid &&
			latest->addresses[i].va_toastrelid == address.va_toastrelid)
		{
			struct varlena *copy = palloc(VARSIZE(latest->values[i]));

			return memcpy(copy, latest->values[i], VARSIZE(latest->values[i]));
		}
	}
	return pg_detoast_datum(value);
}
