/*
 * pattern.c
 *	  Which files and folders of a site are taken.
 *
 * A pattern is one of the shell (* ? [...]), in either case of letters.  One
 * with a slash is compared with the path below the site, and its * matches
 * slashes too; one without is compared with the name alone.
 */
#include "postgres.h"

#include <fnmatch.h>

#include "ingest/run.h"

static const char *const image_patterns[] = {
	"*.jpg", "*.jpeg", "*.png", "*.tif", "*.tiff", "*.dng", "*.webp", "*.heic", "*.heif", "*.avif"
};

static bool
matches(const char *pattern, const char *path, const char *name)
{
	return fnmatch(pattern, strchr(pattern, '/') ? path : name, FNM_CASEFOLD) == 0;
}

static bool
matches_any(List *patterns, const char *path, const char *name)
{
	ListCell   *cell;

	foreach(cell, patterns)
	{
		if (matches(lfirst(cell), path, name))
			return true;
	}
	return false;
}

bool
trident_ingest_pattern_takes_image(const TridentIngestOptions *options,
								   const char *path, const char *name)
{
	/* What macOS and others leave beside the images. */
	if (name[0] == '.' || matches_any(options->exclude, path, name))
		return false;
	if (options->include != NIL)
		return matches_any(options->include, path, name);
	for (size_t i = 0; i < lengthof(image_patterns); i++)
	{
		if (matches(image_patterns[i], path, name))
			return true;
	}
	return false;
}

bool
trident_ingest_pattern_takes_folder(const TridentIngestOptions *options,
									const char *path, const char *name)
{
	return name[0] != '.' && !matches_any(options->exclude, path, name);
}
