/*
 * name.h
 *	  Names of files: bytes on the server, text in the database.
 *
 * A name may hold any byte but zero and the slash.  As text it is itself where
 * that is valid in the database's encoding; control characters, also those
 * that turn the direction of text, bytes that are not valid and the backslash
 * become \xHH, so that text can be turned back into the very bytes, and no line
 * feed or escape sequence of a stranger reaches a terminal or a log.
 */
#ifndef TRIDENT_INGEST_NAME_H
#define TRIDENT_INGEST_NAME_H

/* The text that stands for the bytes, palloc'd. */
extern char *trident_ingest_name_show(const char *bytes, size_t length);

/*
 * The bytes that a text stands for, palloc'd and terminated, and how many;
 * an error if a backslash is not followed by xHH.
 */
extern char *trident_ingest_name_parse(const char *text, size_t *length);

#endif							/* TRIDENT_INGEST_NAME_H */
