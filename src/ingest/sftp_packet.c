/*
 * sftp_packet.c
 *	  What a server answers: packets of SFTP read, and checked whole.
 *
 * Nothing here reads beyond the packet: what is wanted and not there marks
 * the packet as short, and zeros are read.
 */
#include "postgres.h"

#include "ingest/sftp_packet.h"

/* Flags of attributes. */
#define ATTR_SIZE 0x00000001
#define ATTR_UIDGID 0x00000002
#define ATTR_PERMISSIONS 0x00000004
#define ATTR_ACMODTIME 0x00000008
#define ATTR_EXTENDED 0x80000000

uint32
trident_ingest_packet_uint32(TridentIngestPacket *reader)
{
	uint32		value;

	if (reader->end - reader->at < 4)
	{
		reader->is_short = true;
		reader->at = reader->end;
		return 0;
	}
	value = (uint32) reader->at[0] << 24 | (uint32) reader->at[1] << 16 |
		(uint32) reader->at[2] << 8 | reader->at[3];
	reader->at += 4;
	return value;
}

uint64
trident_ingest_packet_uint64(TridentIngestPacket *reader)
{
	uint64		high = trident_ingest_packet_uint32(reader);

	return high << 32 | trident_ingest_packet_uint32(reader);
}

/* A string: its length in front, then its bytes. */
static const uint8 *
get_string(TridentIngestPacket *reader, uint32 *length)
{
	const uint8 *string;

	*length = trident_ingest_packet_uint32(reader);
	if ((size_t) (reader->end - reader->at) < *length)
	{
		reader->is_short = true;
		reader->at = reader->end;
		*length = 0;
	}
	string = reader->at;
	reader->at += *length;
	return string;
}

static void
get_attributes(TridentIngestPacket *reader, TridentIngestAttributes *attributes)
{
	uint32		flags = trident_ingest_packet_uint32(reader);
	uint32		length;

	memset(attributes, 0, sizeof(*attributes));
	if (flags & ATTR_SIZE)
	{
		attributes->has_size = true;
		attributes->size = trident_ingest_packet_uint64(reader);
	}
	if (flags & ATTR_UIDGID)
		(void) trident_ingest_packet_uint64(reader);
	if (flags & ATTR_PERMISSIONS)
	{
		attributes->has_mode = true;
		attributes->mode = trident_ingest_packet_uint32(reader);
	}
	if (flags & ATTR_ACMODTIME)
	{
		(void) trident_ingest_packet_uint32(reader);
		attributes->has_times = true;
		attributes->modified = trident_ingest_packet_uint32(reader);
	}
	if (flags & ATTR_EXTENDED)
	{
		/* Each pair takes eight bytes at least: a lie in the count ends soon. */
		for (uint32 n = trident_ingest_packet_uint32(reader); n > 0 && !reader->is_short; n--)
		{
			(void) get_string(reader, &length);
			(void) get_string(reader, &length);
		}
	}
	if (flags & ~(ATTR_SIZE | ATTR_UIDGID | ATTR_PERMISSIONS | ATTR_ACMODTIME | ATTR_EXTENDED))
		reader->is_short = true;
}

/* One entry of NAME: the long form is for people and passed over. */
static void
get_name(TridentIngestPacket *reader, TridentIngestName *name)
{
	uint32		length;

	name->name = (const char *) get_string(reader, &name->length);
	(void) get_string(reader, &length);
	get_attributes(reader, &name->attributes);
}

bool
trident_ingest_sftp_next_name(TridentIngestReply *reply, TridentIngestName *name)
{
	TridentIngestPacket		reader = {reply->data, reply->data + reply->length, false};

	if (reply->type != TRIDENT_INGEST_NAME || reply->count == 0)
		return false;
	get_name(&reader, name);
	Assert(!reader.is_short);	/* checked when it arrived */
	reply->count--;
	reply->data = reader.at;
	reply->length = (uint32) (reader.end - reader.at);
	return true;
}

bool
trident_ingest_packet_answers(uint8 request, uint8 reply)
{
	if (reply == TRIDENT_INGEST_STATUS)
		return true;
	switch (request)
	{
		case TRIDENT_INGEST_FXP_OPEN:
		case TRIDENT_INGEST_OPENDIR:
			return reply == TRIDENT_INGEST_HANDLE;
		case TRIDENT_INGEST_FXP_READ:
			return reply == TRIDENT_INGEST_DATA;
		case TRIDENT_INGEST_READDIR:
			return reply == TRIDENT_INGEST_NAME;
		case TRIDENT_INGEST_LSTAT:
		case TRIDENT_INGEST_FSTAT:
		case TRIDENT_INGEST_STAT:
			return reply == TRIDENT_INGEST_ATTRS;
		case TRIDENT_INGEST_FXP_EXTENDED:
			return reply == TRIDENT_INGEST_FXP_EXTENDED_REPLY;
		default:
			return false;
	}
}

const char *
trident_ingest_packet_parse(TridentIngestPacket *reader, uint32 wanted, TridentIngestReply *reply)
{
	TridentIngestPacket		names;
	TridentIngestName name;

	switch ((int) reply->type)
	{
		case TRIDENT_INGEST_STATUS:
			/* Old servers send the code alone; the texts are never shown. */
			reply->status = trident_ingest_packet_uint32(reader);
			return reader->is_short ? "a status without a code" : NULL;
		case TRIDENT_INGEST_HANDLE:
			reply->data = get_string(reader, &reply->length);
			if (!reader->is_short &&
				(reply->length == 0 || reply->length > TRIDENT_INGEST_HANDLE_MAX))
				return "a handle of impossible length";
			break;
		case TRIDENT_INGEST_DATA:
			reply->data = get_string(reader, &reply->length);
			if (!reader->is_short && (reply->length == 0 || reply->length > wanted))
				return "not as much data as was asked for";
			break;
		case TRIDENT_INGEST_NAME:
			reply->count = trident_ingest_packet_uint32(reader);
			names = *reader;
			for (uint32 i = 0; i < reply->count && !names.is_short; i++)
				get_name(&names, &name);
			if (names.is_short)
				return "fewer names than it says";
			reply->data = reader->at;
			reply->length = (uint32) (reader->end - reader->at);
			return NULL;
		case TRIDENT_INGEST_ATTRS:
			get_attributes(reader, &reply->attributes);
			break;
		default:
			reply->data = reader->at;
			reply->length = (uint32) (reader->end - reader->at);
			return NULL;
	}
	return reader->is_short ? "a packet that ends too early" : NULL;
}

const char *
trident_ingest_sftp_status_text(uint32 status)
{
	static const char *const texts[] = {
		"no error", "end of file", "no such file or folder", "permission denied",
		"the server says only \"failure\"", "the server calls the request malformed",
	"no connection", "connection lost", "the server does not support this"};

	return status < lengthof(texts) ? texts[status] : "unknown status";
}
