/*
 * sftp.c
 *	  Our own SFTP client, version 3 of the protocol, as bytes in and out.
 *
 * Requests under way stand in a table; a request's id is its place there and,
 * above it, how often the place was used, so that an answer given twice, or
 * to a request long answered, is noticed.  Answers may come in any order.
 */
#include "postgres.h"

#include "ingest/sftp_packet.h"

#define PROTOCOL_VERSION 3
#define OPEN_FOR_READING 1

/* OpenSSH's own cap on a packet, without its length. */
#define PACKET_MAX (256 * 1024)

/*
 * Every server must serve a READ of so many bytes.  One that says less is
 * asked for as much, or a range would take any number of requests.
 */
#define READ_DEFAULT 32768

/* A READ answer of more than this would not fit a packet with its head. */
#define READ_MAX (PACKET_MAX - 1024)

#define INPUT_FIRST (64 * 1024)
#define OUTPUT_FIRST (16 * 1024)

/* The end of the list of free places, and how many there can be. */
#define NO_PLACE UINT32_MAX
#define PLACES_MAX 65536

/* A request under way, or a free place in the table. */
typedef struct Request
{
	TridentIngestReplyFunction function;	/* NULL: the place is free */
	void	   *argument;
	uint32		wanted;			/* READ: bytes asked for */
	uint16		uses;			/* how often the place was taken */
	uint8		type;			/* of the request */
	uint32		next_free;		/* the next free place */
} Request;

struct TridentIngestSftp
{
	void	   *owner;
	Request    *table;
	int			size;
	int			pending;
	uint32		first_free;

	uint8	   *output;
	size_t		output_size;
	size_t		output_start;	/* written up to here */
	size_t		output_end;

	uint8	   *input;
	size_t		input_size;
	size_t		input_length;

	uint64		answers;		/* packets taken */
	bool		is_ready;
	TridentIngestLimits limits;
	const char *error;
};

static void on_limits(void *owner, void *argument, TridentIngestReply *reply);

/* Room for so many more bytes at the end of the output. */
static uint8 *
reserve(TridentIngestSftp *sftp, size_t length)
{
	if (sftp->output_start > 0 && sftp->output_end + length > sftp->output_size)
	{
		memmove(sftp->output, sftp->output + sftp->output_start,
				sftp->output_end - sftp->output_start);
		sftp->output_end -= sftp->output_start;
		sftp->output_start = 0;
	}
	if (sftp->output_end + length > sftp->output_size)
	{
		sftp->output_size = Max(2 * sftp->output_size, sftp->output_end + length);
		sftp->output = repalloc(sftp->output, sftp->output_size);
	}
	sftp->output_end += length;
	return sftp->output + sftp->output_end - length;
}

static uint8 *
put_uint32(uint8 *to, uint32 value)
{
	to[0] = (uint8) (value >> 24);
	to[1] = (uint8) (value >> 16);
	to[2] = (uint8) (value >> 8);
	to[3] = (uint8) value;
	return to + 4;
}

static uint8 *
put_string(uint8 *to, const void *string, uint32 length)
{
	to = put_uint32(to, length);
	memcpy(to, string, length);
	return to + length;
}

/* Let the table have so many places; the new ones are free. */
static void
add_places(TridentIngestSftp *sftp, int size)
{
	if (size > PLACES_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg_internal("too many requests under way on an SFTP connection"),
				 errhint("Report this as an issue of trident.")));
	sftp->table = sftp->table ? repalloc(sftp->table, sizeof(Request) * size) :
		palloc(sizeof(Request) * size);
	memset(sftp->table + sftp->size, 0, sizeof(Request) * (size - sftp->size));
	for (int i = size - 1; i >= sftp->size; i--)
	{
		sftp->table[i].next_free = sftp->first_free;
		sftp->first_free = (uint32) i;
	}
	sftp->size = size;
}

/*
 * Take a place in the table and write the head of a request whose body has so
 * many bytes; returns where the body goes.
 */
static uint8 *
begin_request(TridentIngestSftp *sftp, uint8 type, size_t body,
			  TridentIngestReplyFunction function, void *argument, Request **made)
{
	uint32		place;
	Request    *request;
	uint8	   *to;

	if (sftp->first_free == NO_PLACE)
		add_places(sftp, 2 * sftp->size);
	place = sftp->first_free;
	request = &sftp->table[place];
	sftp->first_free = request->next_free;
	sftp->pending++;
	request->function = function;
	request->argument = argument;
	request->type = type;
	request->wanted = 0;
	request->uses++;
	if (made)
		*made = request;

	to = reserve(sftp, 4 + 1 + 4 + body);
	to = put_uint32(to, (uint32) (1 + 4 + body));
	*to++ = type;
	return put_uint32(to, (uint32) request->uses << 16 | place);
}

TridentIngestSftp *
trident_ingest_sftp_new(int requests, void *owner)
{
	static const char limits[] = "limits@openssh.com";
	TridentIngestSftp *sftp = palloc0(sizeof(TridentIngestSftp));
	uint8	   *to;

	sftp->owner = owner;
	sftp->first_free = NO_PLACE;
	add_places(sftp, requests + 1); /* one for our own question */
	sftp->output_size = OUTPUT_FIRST;
	sftp->output = palloc(sftp->output_size);
	sftp->input_size = INPUT_FIRST;
	sftp->input = palloc(sftp->input_size);
	sftp->limits.read_bytes = READ_DEFAULT;

	to = reserve(sftp, 4 + 1 + 4);
	to = put_uint32(to, 1 + 4);
	*to++ = TRIDENT_INGEST_FXP_INIT;
	put_uint32(to, PROTOCOL_VERSION);

	to = begin_request(sftp, TRIDENT_INGEST_FXP_EXTENDED, 4 + strlen(limits),
					   on_limits, sftp, NULL);
	put_string(to, limits, (uint32) strlen(limits));
	return sftp;
}

void
trident_ingest_sftp_free(TridentIngestSftp *sftp)
{
	pfree(sftp->table);
	pfree(sftp->output);
	pfree(sftp->input);
	pfree(sftp);
}

int
trident_ingest_sftp_pending(const TridentIngestSftp *sftp)
{
	return sftp->pending;
}

void
trident_ingest_sftp_request(TridentIngestSftp *sftp, TridentIngestRequest type,
							const void *string, uint32 length,
							TridentIngestReplyFunction function, void *argument)
{
	uint8	   *to = begin_request(sftp, (uint8) type, 4 + (size_t) length,
								   function, argument, NULL);

	put_string(to, string, length);
}

void
trident_ingest_sftp_open(TridentIngestSftp *sftp, const void *path, uint32 length,
						 TridentIngestReplyFunction function, void *argument)
{
	uint8	   *to = begin_request(sftp, TRIDENT_INGEST_FXP_OPEN, 4 + (size_t) length + 4 + 4,
								   function, argument, NULL);

	to = put_string(to, path, length);
	to = put_uint32(to, OPEN_FOR_READING);
	put_uint32(to, 0);			/* no attributes */
}

void
trident_ingest_sftp_read(TridentIngestSftp *sftp, const void *handle,
						 uint32 handle_length, uint64 offset, uint32 bytes,
						 TridentIngestReplyFunction function, void *argument)
{
	Request    *request;
	uint8	   *to = begin_request(sftp, TRIDENT_INGEST_FXP_READ,
								   4 + (size_t) handle_length + 8 + 4,
								   function, argument, &request);

	request->wanted = bytes;
	to = put_string(to, handle, handle_length);
	to = put_uint32(to, (uint32) (offset >> 32));
	to = put_uint32(to, (uint32) offset);
	put_uint32(to, bytes);
}

const uint8 *
trident_ingest_sftp_output(TridentIngestSftp *sftp, size_t *length)
{
	*length = sftp->output_end - sftp->output_start;
	return sftp->output + sftp->output_start;
}

void
trident_ingest_sftp_written(TridentIngestSftp *sftp, size_t length)
{
	sftp->output_start += length;
	if (sftp->output_start == sftp->output_end)
		sftp->output_start = sftp->output_end = 0;
}

uint8 *
trident_ingest_sftp_input(TridentIngestSftp *sftp, size_t *room)
{
	/* received() has grown the buffer to the packet that is incomplete. */
	*room = sftp->input_size - sftp->input_length;
	return sftp->input + sftp->input_length;
}

/* The first packet: which version the server speaks. */
static const char *
take_version(TridentIngestSftp *sftp, uint8 type, TridentIngestPacket *reader)
{
	if (type != TRIDENT_INGEST_FXP_VERSION)
		return "something else before its version";
	if (trident_ingest_packet_uint32(reader) != PROTOCOL_VERSION || reader->is_short)
		return "a version of the protocol other than 3";
	sftp->is_ready = true;
	return NULL;
}

/* Free a request's place; returns what it was. */
static Request
end_request(TridentIngestSftp *sftp, Request *request)
{
	Request		ended = *request;

	request->function = NULL;
	request->next_free = sftp->first_free;
	sftp->first_free = (uint32) (request - sftp->table);
	sftp->pending--;
	return ended;
}

/* Take one whole packet; what is wrong with it, or NULL. */
static const char *
take_packet(TridentIngestSftp *sftp, const uint8 *packet, size_t length)
{
	TridentIngestPacket		reader = {packet + 1, packet + length, false};
	TridentIngestReply reply = {0};
	uint8		type = packet[0];
	uint32		id;
	Request    *request;
	const char *wrong;

	if (!sftp->is_ready)
		return take_version(sftp, type, &reader);

	id = trident_ingest_packet_uint32(&reader);
	if (reader.is_short || (id & 0xffff) >= (uint32) sftp->size)
		return "an answer that nothing was asked for";
	request = &sftp->table[id & 0xffff];
	if (!request->function || request->uses != id >> 16)
		return "an answer that nothing was asked for";
	if (!trident_ingest_packet_answers(request->type, type))
		return "an answer of a wrong kind";

	reply.type = (TridentIngestReplyType) type;
	wrong = trident_ingest_packet_parse(&reader, request->wanted, &reply);
	if (!wrong)
	{
		Request		ended = end_request(sftp, request);

		ended.function(sftp->owner, ended.argument, &reply);
	}
	return wrong;
}

/* The answer to our question for limits; a server may not know it. */
static void
on_limits(void *owner, void *argument, TridentIngestReply *reply)
{
	TridentIngestSftp *sftp = argument;
	TridentIngestPacket		reader = {reply->data, reply->data + reply->length, false};
	uint64		read_bytes;
	uint64		handles;

	sftp->limits.is_told = true;
	if ((int) reply->type != TRIDENT_INGEST_FXP_EXTENDED_REPLY)
		return;
	(void) trident_ingest_packet_uint64(&reader); /* longest packet */
	read_bytes = trident_ingest_packet_uint64(&reader);
	(void) trident_ingest_packet_uint64(&reader); /* longest write */
	handles = trident_ingest_packet_uint64(&reader);
	if (reader.is_short)
		return;
	if (read_bytes > READ_DEFAULT)
		sftp->limits.read_bytes = (uint32) Min(read_bytes, READ_MAX);
	sftp->limits.handles = (uint32) Min(handles, UINT32_MAX);
}

bool
trident_ingest_sftp_received(TridentIngestSftp *sftp, size_t length)
{
	size_t		at = 0;

	sftp->input_length += length;
	while (sftp->input_length - at >= 4)
	{
		TridentIngestPacket		reader = {sftp->input + at, sftp->input + at + 4, false};
		size_t		packet = trident_ingest_packet_uint32(&reader);

		if (packet == 0 || packet > PACKET_MAX)
		{
			sftp->error = "a packet of impossible length";
			return false;
		}
		if (sftp->input_length - at < 4 + packet)
		{
			if (4 + packet > sftp->input_size)
			{
				sftp->input_size = 4 + PACKET_MAX;
				sftp->input = repalloc(sftp->input, sftp->input_size);
			}
			break;
		}
		sftp->error = take_packet(sftp, sftp->input + at + 4, packet);
		if (sftp->error)
			return false;
		sftp->answers++;
		at += 4 + packet;
	}
	memmove(sftp->input, sftp->input + at, sftp->input_length - at);
	sftp->input_length -= at;
	return true;
}

const char *
trident_ingest_sftp_error(const TridentIngestSftp *sftp)
{
	return sftp->error;
}

void
trident_ingest_sftp_lose(TridentIngestSftp *sftp)
{
	TridentIngestReply reply = {.type = TRIDENT_INGEST_LOST};

	for (int i = 0; i < sftp->size; i++)
	{
		if (sftp->table[i].function)
		{
			Request		ended = end_request(sftp, &sftp->table[i]);

			ended.function(sftp->owner, ended.argument, &reply);
		}
	}
}

uint64
trident_ingest_sftp_answers(const TridentIngestSftp *sftp)
{
	return sftp->answers;
}

bool
trident_ingest_sftp_is_ready(const TridentIngestSftp *sftp)
{
	return sftp->is_ready;
}

const TridentIngestLimits *
trident_ingest_sftp_limits(const TridentIngestSftp *sftp)
{
	return &sftp->limits;
}

