/*
 * source.h
 *	  A source: a foreign server of trident_sftp and one role's user mapping.
 *
 * Security.  A role needs USAGE on the server and a user mapping of its own
 * (or PUBLIC's).  The owner of a server may change where it leads to; so a
 * mapping of another role carries, in its option "confirmed", the target that
 * its role has agreed to, and is not used for any other: nobody's password is
 * sent where its owner has not looked.  CREATE USER MAPPING confirms what the
 * server is then (confirm.c); later changes, the mapping's role by
 * trident_sftp_confirm().
 */
#ifndef TRIDENT_INGEST_SOURCE_H
#define TRIDENT_INGEST_SOURCE_H

#include "nodes/pg_list.h"

#include "ingest/ssh.h"

/* The foreign data wrapper whose servers are sources. */
#define TRIDENT_INGEST_WRAPPER "trident_sftp"

/*
 * What a session has set, for the sources that it looks at and for the jobs
 * that it submits.
 */
typedef struct TridentIngestSettings
{
	int			connect_timeout_ms; /* trident.ingest_connect_timeout ... */
	int			request_timeout_ms;
	int			connections;
	int			files;
} TridentIngestSettings;

typedef struct TridentIngestSource
{
	Oid			server_id;
	Oid			mapping_id;
	uint32		server_hash;	/* in the cache FOREIGNSERVEROID */
	uint32		mapping_hash;	/* in the cache USERMAPPINGOID */
	char	   *name;
	TridentIngestTarget target;
	int			request_timeout_ms; /* for an answer */
	int			connections;	/* of its host, beyond the first of a job */
	int			files;			/* most files open at once on one */
	int			bandwidth_kb;	/* kilobytes a second; 0: no limit */
} TridentIngestSource;

/* The settings of this session. */
extern TridentIngestSettings trident_ingest_source_settings(void);

/*
 * Read the catalogs: what the role may use under this name, or an error.
 * palloc'd.  A private key in a file is read from there.  Settings hold where
 * the server has no option of its own.
 */
extern TridentIngestSource *trident_ingest_source_load(const char *name, Oid role,
													   const TridentIngestSettings *settings);

/* The options of a server that say where it leads to, as one line. */
extern char *trident_ingest_source_target_text(List *server_options);

/* Is the foreign data wrapper ours? */
extern bool trident_ingest_source_is_wrapper(Oid wrapper_id);

#endif							/* TRIDENT_INGEST_SOURCE_H */
