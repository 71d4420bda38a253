/*
 * shared.c
 *	  What the exchange has in shared memory: its making, the arena, and the
 *	  bound on connections over all processes.
 *
 * Locks: one LWLock of the area guards which place and which node has which
 * record; all else is atomics.  The arena has locks of its own.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/shmem.h"
#include "exchange/shared.h"

/* Of a place's word, the connections; trident.exchange_pool_size is below it. */
#define COUNT_MASK	UINT64CONST(0xffff)

TridentExchangeShared *trident_exchange_shared = NULL;

static LWLockPadded *locks = NULL;

/* This process's handle of the arena; NULL: not attached. */
static dsa_area *arena = NULL;

static int
count_slots(void)
{
	return MaxBackends * TRIDENT_EXCHANGE_SLOTS_EACH;
}

static Size
arena_size(void)
{
	return (Size) trident_base_exchange_memory * 1024;
}

static Size
shared_size(void)
{
	Size		size = CACHELINEALIGN(sizeof(TridentExchangeShared));

	size = add_size(size, CACHELINEALIGN(sizeof(uint64) * (count_slots() / 64 + 1)));
	size = add_size(size, mul_size(sizeof(TridentExchangeSlot), count_slots()));
	return add_size(size, add_size(arena_size(), PG_CACHE_LINE_SIZE));
}

/* The arena: it grows no further than its place here. */
static void
make_arena(TridentExchangeShared *shared)
{
	dsa_area   *made = dsa_create_in_place(shared->arena, shared->arena_size,
										   locks[0].lock.tranche, NULL);

	dsa_pin(made);
	dsa_set_size_limit(made, shared->arena_size);
	dsa_detach(made);
}

static void
shared_make(void *area, Size size)
{
	TridentExchangeShared *shared = area;
	char	   *next = (char *) area + CACHELINEALIGN(sizeof(TridentExchangeShared));

	shared->nslots = count_slots();
	shared->nwords = shared->nslots / 64 + 1;
	pg_atomic_init_u64(&shared->arena_used, 0);
	for (int i = 0; i < TRIDENT_EXCHANGE_PLACES; i++)
	{
		pg_atomic_init_u64(&shared->places[i].word, 0);
		pg_atomic_init_u32(&shared->places[i].nwanted, 0);
	}
	shared->pending = (pg_atomic_uint64 *) next;
	for (int i = 0; i < shared->nwords; i++)
		pg_atomic_init_u64(&shared->pending[i], 0);
	next += CACHELINEALIGN(sizeof(uint64) * shared->nwords);
	shared->slots = (TridentExchangeSlot *) next;
	for (int i = 0; i < shared->nslots; i++)
		pg_atomic_init_u32(&shared->slots[i].state, TRIDENT_EXCHANGE_SLOT_FREE);
	next += sizeof(TridentExchangeSlot) * shared->nslots;
	shared->arena = (void *) CACHELINEALIGN(next);
	shared->arena_size = arena_size();
	make_arena(shared);
}

void
trident_exchange_shared_init(void)
{
	static const TridentBaseShmemArea area = {
		.name = "trident exchange",
		.size = shared_size,
		.init = shared_make,
		.nlocks = 1,
		.area = (void **) &trident_exchange_shared,
		.locks = &locks
	};

	trident_base_shmem_register(&area);
}

/* --- the arena --- */

static dsa_area *
attached_arena(void)
{
	if (arena == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		arena = dsa_attach_in_place(trident_exchange_shared->arena, NULL);
		dsa_pin_mapping(arena);
		MemoryContextSwitchTo(old);
	}
	return arena;
}

bool
trident_exchange_shared_allocate(Size size, dsa_pointer *pointer, void **address)
{
	dsa_area   *area = attached_arena();

	*pointer = dsa_allocate_extended(area, size, DSA_ALLOC_NO_OOM | DSA_ALLOC_HUGE);
	if (!DsaPointerIsValid(*pointer))
		return false;
	pg_atomic_fetch_add_u64(&trident_exchange_shared->arena_used, size);
	*address = dsa_get_address(area, *pointer);
	return true;
}

void *
trident_exchange_shared_address(dsa_pointer pointer)
{
	return dsa_get_address(attached_arena(), pointer);
}

void
trident_exchange_shared_free(dsa_pointer pointer, Size size)
{
	dsa_free(attached_arena(), pointer);
	pg_atomic_fetch_sub_u64(&trident_exchange_shared->arena_used, size);
}

/* --- slots --- */

void
trident_exchange_shared_signal(const TridentExchangeSlot *slot)
{
	TridentExchangeShared *shared = trident_exchange_shared;
	int			number = slot - shared->slots;

	pg_atomic_fetch_or_u64(&shared->pending[number / 64], UINT64CONST(1) << (number % 64));
	(void) trident_base_worker_wake(&slot->worker);
}

void
trident_exchange_shared_release(TridentExchangeSlot *slot)
{
	TridentExchangeSharedCall *calls = trident_exchange_shared_address(slot->payload);

	for (int i = 0; i < slot->ncalls; i++)
	{
		if (DsaPointerIsValid(calls[i].reply))
			trident_exchange_shared_free(calls[i].reply, calls[i].reply_size);
	}
	trident_exchange_shared_free(slot->payload, slot->payload_size);
	slot->payload = InvalidDsaPointer;
	/* a full barrier: whoever sees it free sees all of the above */
	(void) pg_atomic_exchange_u32(&slot->state, TRIDENT_EXCHANGE_SLOT_FREE);
}

/* --- places --- */

/* The part of a word that says whose it is. */
static uint64
place_of(uint64 word)
{
	return word & ~COUNT_MASK;
}

/* The part of a hash that a word has; not 0. */
static uint64
place_key(uint64 place)
{
	return Max(place_of(place), COUNT_MASK + 1);
}

/* The record of a place; NULL: there is none. */
static TridentExchangePlace *
find_place(uint64 key)
{
	TridentExchangePlace *places = trident_exchange_shared->places;

	for (int i = 0; i < TRIDENT_EXCHANGE_PLACES; i++)
	{
		uint64		word = pg_atomic_read_u64(&places[i].word);

		if (place_of(word) == key)
			return &places[i];
		if (word == 0)
			break;
	}
	return NULL;
}

/*
 * The record of a place, made where there is none: of one never used, else of
 * one without connections.  NULL: all have some.
 */
static TridentExchangePlace *
make_place(uint64 key)
{
	TridentExchangePlace *places = trident_exchange_shared->places;
	TridentExchangePlace *found;

	LWLockAcquire(&locks[0].lock, LW_EXCLUSIVE);
	found = find_place(key);	/* it may have been made just now */
	for (int i = 0; i < TRIDENT_EXCHANGE_PLACES && found == NULL; i++)
	{
		uint64		word = pg_atomic_read_u64(&places[i].word);

		if ((word & COUNT_MASK) == 0 &&
			pg_atomic_compare_exchange_u64(&places[i].word, &word, key))
		{
			found = &places[i];
			pg_atomic_write_u32(&found->nwanted, 0);
		}
	}
	LWLockRelease(&locks[0].lock);
	return found;
}

bool
trident_exchange_shared_reserve(uint64 place, int limit)
{
	uint64		key = place_key(place);
	TridentExchangePlace *record;
	uint64		word;

	if (trident_exchange_shared == NULL)
		return true;
	do
	{
		record = find_place(key);
		if (record == NULL)
			record = make_place(key);
		if (record == NULL)
			return false;		/* as if it were full, never beyond the bound */
		word = pg_atomic_read_u64(&record->word);
		while (place_of(word) == key && (int) (word & COUNT_MASK) < limit)
		{
			if (pg_atomic_compare_exchange_u64(&record->word, &word, word + 1))
				return true;
		}
	} while (place_of(word) != key);
	pg_atomic_fetch_add_u32(&record->nwanted, 1);
	return false;
}

void
trident_exchange_shared_unreserve(uint64 place)
{
	TridentExchangePlace *record;

	if (trident_exchange_shared == NULL)
		return;
	/* with a connection it is nobody else's */
	record = find_place(place_key(place));
	if (record)
		pg_atomic_fetch_sub_u64(&record->word, 1);
}

bool
trident_exchange_shared_is_wanted(uint64 place)
{
	TridentExchangePlace *record;

	if (trident_exchange_shared == NULL)
		return false;
	record = find_place(place_key(place));
	return record && pg_atomic_read_u32(&record->nwanted) > 0 &&
		pg_atomic_exchange_u32(&record->nwanted, 0) > 0;
}

int
trident_exchange_shared_count(uint64 place)
{
	uint64		key = place_key(place);
	TridentExchangePlace *record;
	uint64		word;

	if (trident_exchange_shared == NULL)
		return 0;
	record = find_place(key);
	word = record ? pg_atomic_read_u64(&record->word) : 0;
	return place_of(word) == key ? (int) (word & COUNT_MASK) : 0;
}

LWLock *
trident_exchange_shared_lock(void)
{
	return &locks[0].lock;
}
