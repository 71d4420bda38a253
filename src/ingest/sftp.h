/*
 * sftp.h
 *	  Our own SFTP client, version 3 of the protocol, as bytes in and out.
 *
 * (draft-ietf-secsh-filexfer-02.)  libssh2's own SFTP calls take a round trip
 * each, one after another, and read ahead four times what is asked for; this
 * client has hundreds of requests under way on one channel, and asks for
 * exactly the bytes that are wanted.
 *
 * It knows no socket: a caller writes out what trident_ingest_sftp_output()
 * has, and puts what arrives where trident_ingest_sftp_input() says.  Each
 * request names a function that gets its answer, once, from within
 * trident_ingest_sftp_received() or trident_ingest_sftp_lose().
 *
 * Everything that arrives is taken for hostile.  A packet is checked whole
 * before anything of it is handed on: its length, the request that it
 * answers, whether that request may have such an answer, every string, count
 * and attribute in it.  One that fails ends the conversation.  Names are
 * bytes, of no encoding; what they may hold is for the caller to judge.
 *
 * Memory: of the context current at creation; a request table that grows with
 * the requests under way, buffers up to what the protocol allows.
 */
#ifndef TRIDENT_INGEST_SFTP_H
#define TRIDENT_INGEST_SFTP_H

/* What an answer is: the protocol's numbers, and one of our own. */
typedef enum TridentIngestReplyType
{
	TRIDENT_INGEST_LOST = 0,	/* none came, none will */
	TRIDENT_INGEST_STATUS = 101,
	TRIDENT_INGEST_HANDLE = 102,
	TRIDENT_INGEST_DATA = 103,
	TRIDENT_INGEST_NAME = 104,
	TRIDENT_INGEST_ATTRS = 105
} TridentIngestReplyType;

/* Codes of STATUS. */
typedef enum TridentIngestStatus
{
	TRIDENT_INGEST_OK = 0,
	TRIDENT_INGEST_EOF = 1,
	TRIDENT_INGEST_NO_SUCH_FILE = 2,
	TRIDENT_INGEST_PERMISSION_DENIED = 3,
	TRIDENT_INGEST_FAILURE = 4, /* also: out of file handles */
	TRIDENT_INGEST_BAD_MESSAGE = 5,
	TRIDENT_INGEST_NO_CONNECTION = 6,
	TRIDENT_INGEST_CONNECTION_LOST = 7,
	TRIDENT_INGEST_UNSUPPORTED = 8
} TridentIngestStatus;

/* Requests whose one argument is a path or a handle. */
typedef enum TridentIngestRequest
{
	TRIDENT_INGEST_CLOSE = 4,
	TRIDENT_INGEST_LSTAT = 7,
	TRIDENT_INGEST_FSTAT = 8,
	TRIDENT_INGEST_OPENDIR = 11,
	TRIDENT_INGEST_READDIR = 12,
	TRIDENT_INGEST_STAT = 17
} TridentIngestRequest;

/* A handle is at most this long. */
#define TRIDENT_INGEST_HANDLE_MAX 256

/* Of a file; what a server does not tell is marked as not known. */
typedef struct TridentIngestAttributes
{
	bool		has_size;
	bool		has_mode;
	bool		has_times;
	uint64		size;			/* bytes */
	uint32		mode;			/* as st_mode */
	uint32		modified;		/* seconds since 1970 */
} TridentIngestAttributes;

/* One name of a NAME answer; points into the answer. */
typedef struct TridentIngestName
{
	const char *name;			/* not terminated */
	uint32		length;
	TridentIngestAttributes attributes;
} TridentIngestName;

/* An answer; what it points to is valid until the function it is given to ends. */
typedef struct TridentIngestReply
{
	TridentIngestReplyType type;
	uint32		status;			/* of STATUS */
	uint32		count;			/* of NAME: names not yet taken */
	const uint8 *data;			/* of HANDLE, DATA; of NAME: the rest */
	uint32		length;
	TridentIngestAttributes attributes; /* of ATTRS */
} TridentIngestReply;

/* Gets an answer: the owner given to new, the argument given to the request. */
typedef void (*TridentIngestReplyFunction) (void *owner, void *argument,
											TridentIngestReply *reply);

/* What a server allows, by its limits@openssh.com or by the protocol. */
typedef struct TridentIngestLimits
{
	bool		is_told;		/* the server has answered */
	uint32		read_bytes;		/* most that one READ gives */
	uint32		handles;		/* open at once; 0: it does not say */
} TridentIngestLimits;

typedef struct TridentIngestSftp TridentIngestSftp;

/*
 * A client with room for so many requests under way; it grows with what is
 * asked of it, up to some ten thousand, which the caller must keep to.  Its
 * first packets, INIT and the question for limits, are in the output at once,
 * and requests may follow without waiting for the answers: the server answers
 * in order, and one that speaks another version ends the conversation.
 */
extern TridentIngestSftp *trident_ingest_sftp_new(int requests, void *owner);
extern void trident_ingest_sftp_free(TridentIngestSftp *sftp);

/* How many requests are under way. */
extern int	trident_ingest_sftp_pending(const TridentIngestSftp *sftp);

/* Make a request. */
extern void trident_ingest_sftp_request(TridentIngestSftp *sftp, TridentIngestRequest type,
										const void *string, uint32 length,
										TridentIngestReplyFunction function, void *argument);
extern void trident_ingest_sftp_open(TridentIngestSftp *sftp, const void *path, uint32 length,
									 TridentIngestReplyFunction function, void *argument);
extern void trident_ingest_sftp_read(TridentIngestSftp *sftp, const void *handle,
									 uint32 handle_length, uint64 offset, uint32 bytes,
									 TridentIngestReplyFunction function, void *argument);

/* Bytes that wait to be written, and telling that so many were. */
extern const uint8 *trident_ingest_sftp_output(TridentIngestSftp *sftp, size_t *length);
extern void trident_ingest_sftp_written(TridentIngestSftp *sftp, size_t length);

/* Where to put bytes that arrive; at least one byte of room. */
extern uint8 *trident_ingest_sftp_input(TridentIngestSftp *sftp, size_t *room);

/*
 * So many bytes were put there: hand on every answer that is complete.  False
 * when the server breaks the protocol: trident_ingest_sftp_error() says how,
 * and only lose() and free() may be called then.
 */
extern bool trident_ingest_sftp_received(TridentIngestSftp *sftp, size_t length);
extern const char *trident_ingest_sftp_error(const TridentIngestSftp *sftp);

/* Nothing more will arrive: every request gets the answer LOST. */
extern void trident_ingest_sftp_lose(TridentIngestSftp *sftp);

/* Packets that have arrived whole, and were what was asked for. */
extern uint64 trident_ingest_sftp_answers(const TridentIngestSftp *sftp);

/* Has the server said which version it speaks; and what it allows. */
extern bool trident_ingest_sftp_is_ready(const TridentIngestSftp *sftp);
extern const TridentIngestLimits *trident_ingest_sftp_limits(const TridentIngestSftp *sftp);

/* Take the next name out of a NAME answer; false when there is none. */
extern bool trident_ingest_sftp_next_name(TridentIngestReply *reply, TridentIngestName *name);

/* What a STATUS code means, in words of ours. */
extern const char *trident_ingest_sftp_status_text(uint32 status);

#endif							/* TRIDENT_INGEST_SFTP_H */
