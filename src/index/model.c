/*
 * model.c
 *	  Meta page and model: from disk into the relation's cache.
 *
 * The cached model is good as long as the meta page has its generation, so
 * each use reads the meta page, one pinned page, and nothing else.
 */
#include "postgres.h"

#include "access/genam.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "index/index.h"
#include "index/store.h"

void
trident_index_column_kind(Relation index, TridentIndexMetric *metric,
						  bool *is_half)
{
	FmgrInfo   *info = index_getprocinfo(index, 1, TRIDENT_INDEX_KIND_PROC);
	int			kind = DatumGetInt32(FunctionCall0Coll(info, InvalidOid));

	*metric = kind % 16;
	*is_half = kind >= 16;
}

const char *
trident_index_meta_problem(Relation index, const TridentIndexMeta *meta)
{
	int			dim = TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;
	bool		has_key = IndexRelationGetNumberOfKeyAttributes(index) > 1;
	TridentIndexFormat format;
	TridentIndexMetric metric;
	bool		is_half;
	int			dp;

	trident_index_format(dim, &dp, &format);
	trident_index_column_kind(index, &metric, &is_half);
	if (meta->dim != dim || meta->dp != dp)
		return psprintf("says that vectors have %u dimensions, padded to %u; the column has %d",
						meta->dim, meta->dp, dim);
	if (meta->format != format)
		return psprintf("has format %u, which is not that of %d dimensions",
						meta->format, dim);
	if (meta->bits != 4 &&
		(meta->bits != 8 || dp > TRIDENT_INDEX_MAX_8_BITS_DIM))
		return psprintf("says that codes have %u bits a dimension", meta->bits);
	if (meta->metric != metric)
		return psprintf("has metric %u; the operator class has %d",
						meta->metric, metric);
	if (meta->has_key != has_key)
		return has_key ? "says that there is no key column; there is one" :
			"says that there is a key column; there is none";
	if (meta->nlists < 1 || meta->nlists > TRIDENT_INDEX_MAX_LISTS ||
		meta->ncoarse < 0 || meta->ncoarse > meta->nlists ||
		(meta->nlists > 1 && meta->ncoarse == 0))
		return psprintf("says that there are %d lists in %d cells",
						meta->nlists, meta->ncoarse);
	if (BlockNumberIsValid(meta->model) != (meta->ncoarse > 0))
		return "has a model without cells, or cells without a model";
	return NULL;
}

void
trident_index_meta_read(Relation index, TridentIndexMeta *meta)
{
	Buffer		buffer = ReadBuffer(index, TRIDENT_INDEX_META_BLOCK);
	Page		page;
	const char *problem;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	trident_index_page_check(index, TRIDENT_INDEX_META_BLOCK, page,
							 TRIDENT_INDEX_PAGE_META);
	*meta = *TridentIndexPageMeta(page);
	UnlockReleaseBuffer(buffer);

	if (meta->magic != TRIDENT_INDEX_MAGIC ||
		meta->version != TRIDENT_INDEX_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" has a format that this version of trident cannot read",
						RelationGetRelationName(index)),
				 errdetail("The format is %u, expected is %u.",
						   meta->version, TRIDENT_INDEX_VERSION),
				 errhint("REINDEX the index.")));
	problem = trident_index_meta_problem(index, meta);
	if (problem)
		trident_index_corrupted(index, "has a meta page that %s", problem);
}

/*
 * Lock a page of the model or directory, if it still is one: false where
 * training has replaced the generation and the page is somebody else's, or
 * where there is none.
 */
static bool
lock_page(Relation index, BlockNumber block, TridentIndexPageKind kind,
		  uint32 generation, Buffer *buffer)
{
	TridentIndexOpaque *opaque;

	/* The end of a chain that should go on; and what would make a new page. */
	if (!BlockNumberIsValid(block))
		return false;
	*buffer = ReadBuffer(index, block);
	LockBuffer(*buffer, BUFFER_LOCK_SHARE);
	opaque = TridentIndexPageOpaque(BufferGetPage(*buffer));
	if (!PageIsNew(BufferGetPage(*buffer)) && opaque->kind == kind &&
		opaque->generation == generation)
		return true;
	UnlockReleaseBuffer(*buffer);
	return false;
}

/* Copy nvalues values of the model chain that begins at block. */
static bool
read_model_values(Relation index, BlockNumber block, uint32 generation,
				  char *out, int64 nvalues)
{
	while (nvalues > 0)
	{
		int64		n = Min(nvalues, TRIDENT_INDEX_MODEL_VALUES);
		Buffer		buffer;
		Page		page;

		if (!lock_page(index, block, TRIDENT_INDEX_PAGE_MODEL, generation,
					   &buffer))
			return false;
		page = BufferGetPage(buffer);
		memcpy(out, TridentIndexPageContents(page), n * sizeof(float));
		block = TridentIndexPageOpaque(page)->next;
		UnlockReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
		out += n * sizeof(float);
		nvalues -= n;
	}
	return true;
}

/* Collect the blocks of the directory. */
static bool
read_directory_blocks(Relation index, TridentIndexModel *model)
{
	BlockNumber block = model->meta.directory;
	int			i;

	for (i = 0; i < model->ndirectory; i++)
	{
		Buffer		buffer;

		if (!lock_page(index, block, TRIDENT_INDEX_PAGE_DIRECTORY,
					   model->meta.generation, &buffer))
			return false;
		model->directory[i] = block;
		block = TridentIndexPageOpaque(BufferGetPage(buffer))->next;
		UnlockReleaseBuffer(buffer);
	}
	return true;
}

/* Do the lists of the cells follow each other?  They are indexes of arrays. */
static bool
is_sound(const TridentIndexCentroids *centroids)
{
	const int  *first = centroids->first;

	for (int i = 0; i < centroids->ncoarse; i++)
		if (first[i] > first[i + 1])
			return false;
	return first[0] == 0 && first[centroids->ncoarse] == centroids->nlists;
}

/* Lay the centroids out in chunk and read them, or set the flat model. */
static bool
read_centroids(Relation index, TridentIndexModel *model, char *chunk)
{
	const TridentIndexMeta *meta = &model->meta;
	TridentIndexCentroids *c = &model->centroids;
	Size		coarse_values = (Size) c->ncoarse * c->dp;
	Size		list_values = (Size) c->nlists * c->dp;
	int			i;

	c->coarse = (float *) chunk;
	c->lists = c->coarse + coarse_values;
	c->first = (int *) (c->lists + list_values);
	c->coarse_norm2 = (float *) (c->first + c->ncoarse + 1);
	c->list_norm2 = c->coarse_norm2 + c->ncoarse;

	if (BlockNumberIsValid(meta->model))
	{
		if (!read_model_values(index, meta->model, meta->generation, chunk,
							   coarse_values + list_values + c->ncoarse + 1) ||
			!is_sound(c))
			return false;
	}
	else
	{
		memset(chunk, 0, sizeof(float) * (coarse_values + list_values));
		c->first[0] = 0;
		c->first[1] = 1;
	}
	for (i = 0; i < c->ncoarse; i++)
		c->coarse_norm2[i] = trident_simd.norm_squared_f32(c->dp, c->coarse + (Size) i * c->dp);
	for (i = 0; i < c->nlists; i++)
		c->list_norm2[i] = trident_simd.norm_squared_f32(c->dp, c->lists + (Size) i * c->dp);
	return true;
}

/* Bytes that the codes of the centroids take. */
static Size
codes_bytes(const TridentIndexMeta *meta)
{
	Size		padded = ((Size) meta->nlists + TRIDENT_SIMD_LANES - 1) /
		TRIDENT_SIMD_LANES * TRIDENT_SIMD_LANES;

	if (meta->format != TRIDENT_INDEX_SIGNS || meta->nlists <= 1)
		return 0;
	return MAXALIGN(padded * meta->dp / 8 + (Size) meta->nlists * meta->dp +
					sizeof(float) * (4 * padded + meta->dp));
}

/* Make the codes of the centroids in chunk, of codes_bytes(). */
static void
make_codes(TridentIndexModel *model, char *chunk)
{
	const TridentIndexCentroids *c = &model->centroids;
	TridentIndexCentroidCodes *codes = &model->codes;
	Size		padded = (c->nlists + TRIDENT_SIMD_LANES - 1) /
		TRIDENT_SIMD_LANES * TRIDENT_SIMD_LANES;
	TridentIndexMeta meta = model->meta;
	TridentIndexCoder coder;
	TridentIndexRow *row;
	int			i;
	int			j;

	meta.bits = 8;
	trident_index_coder_init(&coder, &meta, false);
	row = palloc0(trident_index_row_bytes(&coder.layout));
	memset(chunk, 0, codes_bytes(&model->meta));
	codes->mean = (float *) chunk;
	codes->sign_add = codes->mean + c->dp;
	codes->sign_rescale = codes->sign_add + padded;
	codes->add = codes->sign_rescale + padded;
	codes->rescale = codes->add + padded;
	codes->signs = (uint8 *) (codes->rescale + padded);
	codes->fine = codes->signs + padded * c->dp / 8;
	for (i = 0; i < c->nlists; i++)
		for (j = 0; j < c->dp; j++)
			codes->mean[j] += c->lists[(Size) i * c->dp + j] / c->nlists;
	for (i = 0; i < c->nlists; i++)
	{
		const float *centroid = c->lists + (Size) i * c->dp;
		uint8	   *lane = codes->signs + i / TRIDENT_SIMD_LANES *
			TRIDENT_SIMD_SIGN_BLOCK(c->dp) + i % TRIDENT_SIMD_LANES;

		trident_index_encode(&coder, centroid, centroid, codes->mean, row);
		codes->sign_add[i] = row->sign_add;
		codes->sign_rescale[i] = row->sign_rescale;
		codes->add[i] = row->add;
		codes->rescale[i] = row->rescale;
		for (j = 0; j < c->dp / 8; j++)
			lane[j * TRIDENT_SIMD_LANES] = TridentIndexRowSigns(row)[j];
		memcpy(codes->fine + (Size) i * c->dp,
			   trident_index_row_values(&coder.layout, row), c->dp);
	}
	pfree(row);
	pfree(coder.signs);
}

TridentIndexModel *
trident_index_model_read(Relation index, const TridentIndexMeta *meta,
						 MemoryContext context)
{
	int			nlists = meta->nlists;
	int			ncoarse = BlockNumberIsValid(meta->model) ? meta->ncoarse : 1;
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	int			ndirectory = (nlists + TRIDENT_INDEX_ENTRIES - 1) / TRIDENT_INDEX_ENTRIES;
	Size		values = ((Size) ncoarse + nlists) * meta->dp +
		2 * (Size) ncoarse + 1 + nlists;
	TridentIndexModel *model;
	TridentIndexCoder coder;
	TridentIndexMetric metric;
	bool		is_half;
	bool		is_read = false;
	char	   *chunk;

	trident_index_column_kind(index, &metric, &is_half);
	trident_index_coder_init(&coder, meta, is_half);

	chunk = MemoryContextAllocHuge(context,
								   MAXALIGN(sizeof(TridentIndexModel)) +
								   MAXALIGN(sizeof(BlockNumber) * ndirectory) +
								   MAXALIGN(4 * meta->dp / 8) +
								   MAXALIGN(sizeof(Buffer) * nblocks) +
								   codes_bytes(meta) +
								   sizeof(float) * values);
	model = (TridentIndexModel *) chunk;
	memset(model, 0, sizeof(*model));
	chunk += MAXALIGN(sizeof(TridentIndexModel));
	model->meta = *meta;
	model->coder = coder;
	model->ndirectory = ndirectory;
	model->directory = (BlockNumber *) chunk;
	chunk += MAXALIGN(sizeof(BlockNumber) * ndirectory);
	if (coder.signs)
	{
		model->coder.signs = (uint32 *) chunk;
		memcpy(chunk, coder.signs, 4 * meta->dp / 8);
		pfree(coder.signs);
	}
	chunk += MAXALIGN(4 * meta->dp / 8);
	model->nrecent = nblocks;
	model->recent = memset(chunk, 0, sizeof(Buffer) * nblocks);
	chunk += MAXALIGN(sizeof(Buffer) * nblocks);
	model->centroids.dp = meta->dp;
	model->centroids.nlists = nlists;
	model->centroids.ncoarse = ncoarse;

	/* During a build there is no directory yet: list.c errors at its use. */
	if (!BlockNumberIsValid(meta->directory))
		model->ndirectory = 0;
	PG_TRY();
	{
		is_read = read_directory_blocks(index, model) &&
			read_centroids(index, model, chunk + codes_bytes(meta));
	}
	PG_CATCH();
	{
		/* context may be the relation's cache, which nobody else clears */
		pfree(model);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (!is_read)
	{
		pfree(model);
		return NULL;
	}
	if (codes_bytes(meta) > 0)
		make_codes(model, chunk);
	return model;
}

const TridentIndexModel *
trident_index_model(Relation index)
{
	TridentIndexModel *model = index->rd_amcache;
	TridentIndexMeta meta;

	trident_index_meta_read(index, &meta);
	if (model != NULL && model->meta.generation == meta.generation &&
		model->meta.directory == meta.directory)
		return model;

	/* Should training replace the model while we read it, read the new one. */
	while ((model = trident_index_model_read(index, &meta,
											 index->rd_indexcxt)) == NULL)
	{
		uint32		generation = meta.generation;

		trident_index_meta_read(index, &meta);
		if (meta.generation == generation)
			trident_index_corrupted(index, "has a damaged model");
	}
	if (index->rd_amcache)
		pfree(index->rd_amcache);
	index->rd_amcache = model;
	return model;
}

/*
 * Does the buffer pool know that what is in this buffer is in use?  Only a
 * look-up raises its count, so that without any the pages read most would be
 * the first that the pool gives up.  The count stands at its most where the
 * pool need give up nothing, and is in the line that a pin writes to.
 */
static inline bool
is_known_as_used(Buffer buffer)
{
	uint32		state;

	if (BufferIsLocal(buffer))
		return true;
	state = pg_atomic_read_u32(&GetBufferDescriptor(buffer - 1)->state);
	return BUF_STATE_GET_USAGECOUNT(state) >= BM_MAX_USAGE_COUNT;
}

Buffer
trident_index_read(Relation index, const TridentIndexModel *model,
				   BlockNumber block)
{
	Buffer		buffer;

	if (block >= model->nrecent)
		return ReadBuffer(index, block);
	buffer = model->recent[block];
	if (BufferIsValid(buffer) && is_known_as_used(buffer) &&
		ReadRecentBuffer(TridentRelationLocator(index), MAIN_FORKNUM, block,
						 buffer))
	{
		pgstat_count_buffer_read(index);
		pgstat_count_buffer_hit(index);
		return buffer;
	}
	buffer = ReadBuffer(index, block);
	model->recent[block] = buffer;
	return buffer;
}
