/*
 * test_sftp.c
 *	  The SFTP client against a server made of bytes: answers in any order and
 *	  in any pieces, and everything that a hostile server may send.
 */
#include "postgres.h"

#include "ingest/sftp.h"
#include "tap.h"

/* What a handler was told last. */
typedef struct Seen
{
	int			calls;
	TridentIngestReply reply;
	uint8		data[256];
} Seen;

/* Bytes of a server. */
typedef struct Bytes
{
	uint8		bytes[4096];
	size_t		length;
} Bytes;

static void
on_reply(void *owner, void *argument, TridentIngestReply *reply)
{
	Seen	   *seen = argument;

	seen->calls++;
	seen->reply = *reply;
	if (reply->length > 0 && reply->length <= sizeof(seen->data))
		memcpy(seen->data, reply->data, reply->length);
}

static void
add8(Bytes *bytes, uint8 value)
{
	bytes->bytes[bytes->length++] = value;
}

static void
add32(Bytes *bytes, uint32 value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		add8(bytes, (uint8) (value >> shift));
}

static void
add_string(Bytes *bytes, const char *string)
{
	add32(bytes, (uint32) strlen(string));
	for (; *string; string++)
		add8(bytes, (uint8) *string);
}

/* Begin a packet; end_packet() fills in its length. */
static size_t
begin_packet(Bytes *bytes, uint8 type)
{
	add32(bytes, 0);
	add8(bytes, type);
	return bytes->length - 5;
}

static void
end_packet(Bytes *bytes, size_t start)
{
	uint32		length = (uint32) (bytes->length - start - 4);

	for (int i = 0; i < 4; i++)
		bytes->bytes[start + i] = (uint8) (length >> (24 - 8 * i));
}

static void
add_status(Bytes *bytes, uint32 id, uint32 code)
{
	size_t		start = begin_packet(bytes, TRIDENT_INGEST_STATUS);

	add32(bytes, id);
	add32(bytes, code);
	end_packet(bytes, start);
}

static void
add_data(Bytes *bytes, uint32 id, const char *data)
{
	size_t		start = begin_packet(bytes, TRIDENT_INGEST_DATA);

	add32(bytes, id);
	add_string(bytes, data);
	end_packet(bytes, start);
}

/* Give the client the bytes, so many at a time. */
static bool
feed(TridentIngestSftp *sftp, const Bytes *bytes, size_t step)
{
	size_t		at = 0;

	while (at < bytes->length)
	{
		size_t		room;
		uint8	   *to = trident_ingest_sftp_input(sftp, &room);
		size_t		n = Min(Min(step, bytes->length - at), room);

		memcpy(to, bytes->bytes + at, n);
		if (!trident_ingest_sftp_received(sftp, n))
			return false;
		at += n;
	}
	return true;
}

/* The id of the last request in the output. */
static uint32
last_id(TridentIngestSftp *sftp)
{
	size_t		length;
	const uint8 *output = trident_ingest_sftp_output(sftp, &length);
	size_t		at = 0;
	uint32		id = 0;

	while (at < length)
	{
		uint32		packet = (uint32) output[at] << 24 | (uint32) output[at + 1] << 16 |
			(uint32) output[at + 2] << 8 | output[at + 3];

		id = (uint32) output[at + 5] << 24 | (uint32) output[at + 6] << 16 |
			(uint32) output[at + 7] << 8 | output[at + 8];
		at += 4 + packet;
	}
	return id;
}

/* A client to which the server has said its version. */
static TridentIngestSftp *
begin(int requests)
{
	TridentIngestSftp *sftp = trident_ingest_sftp_new(requests, NULL);
	Bytes		bytes = {.length = 0};
	size_t		start = begin_packet(&bytes, 2);

	add32(&bytes, 3);
	end_packet(&bytes, start);
	feed(sftp, &bytes, bytes.length);
	return sftp;
}

static void
test_order(size_t step)
{
	TridentIngestSftp *sftp = begin(8);
	Seen		first = {0};
	Seen		second = {0};
	Bytes		bytes = {.length = 0};
	uint32		id1;
	uint32		id2;

	trident_ingest_sftp_read(sftp, "h", 1, 0, 10, on_reply, &first);
	id1 = last_id(sftp);
	trident_ingest_sftp_read(sftp, "h", 1, 10, 10, on_reply, &second);
	id2 = last_id(sftp);
	add_data(&bytes, id2, "second");
	add_data(&bytes, id1, "first");
	tap_ok(feed(sftp, &bytes, step) && first.calls == 1 && second.calls == 1 &&
		   first.reply.length == 5 && memcmp(first.data, "first", 5) == 0 &&
		   second.reply.length == 6 && memcmp(second.data, "second", 6) == 0,
		   "answers out of order, %d bytes at a time", (int) step);
	tap_ok(trident_ingest_sftp_pending(sftp) == 1, "only the question for limits is left");
	trident_ingest_sftp_free(sftp);
}

static void
test_limits(void)
{
	TridentIngestSftp *sftp = trident_ingest_sftp_new(4, NULL);
	uint32		id = last_id(sftp);
	Bytes		bytes = {.length = 0};
	size_t		start = begin_packet(&bytes, 2);
	const TridentIngestLimits *limits = trident_ingest_sftp_limits(sftp);

	tap_ok(!trident_ingest_sftp_is_ready(sftp) && !limits->is_told && limits->read_bytes == 32768,
		   "before the first answer: what every server must serve");
	add32(&bytes, 3);
	add_string(&bytes, "limits@openssh.com");
	add_string(&bytes, "1");
	end_packet(&bytes, start);
	start = begin_packet(&bytes, 201);
	add32(&bytes, id);
	add32(&bytes, 0), add32(&bytes, 262144);
	add32(&bytes, 0), add32(&bytes, 261120);
	add32(&bytes, 0), add32(&bytes, 261120);
	add32(&bytes, 0), add32(&bytes, 1019);
	end_packet(&bytes, start);
	tap_ok(feed(sftp, &bytes, 1) && trident_ingest_sftp_is_ready(sftp) && limits->is_told &&
		   limits->read_bytes == 261120 && limits->handles == 1019, "limits of OpenSSH");
	trident_ingest_sftp_free(sftp);

	sftp = begin(4);
	bytes.length = 0;
	start = begin_packet(&bytes, 201);
	add32(&bytes, last_id(sftp));
	for (int i = 0; i < 4; i++)
		add32(&bytes, 0), add32(&bytes, 1);
	end_packet(&bytes, start);
	limits = trident_ingest_sftp_limits(sftp);
	tap_ok(feed(sftp, &bytes, 100) && limits->is_told && limits->read_bytes == 32768,
		   "a READ may have what every server must serve, whatever one says");
	trident_ingest_sftp_free(sftp);

	sftp = begin(4);
	bytes.length = 0;
	add_status(&bytes, last_id(sftp), TRIDENT_INGEST_UNSUPPORTED);
	limits = trident_ingest_sftp_limits(sftp);
	tap_ok(feed(sftp, &bytes, 100) && limits->is_told && limits->read_bytes == 32768 &&
		   limits->handles == 0, "a server without that extension");
	trident_ingest_sftp_free(sftp);
}

/* Names of a folder, with all attributes, one of them extended. */
static void
test_names(void)
{
	TridentIngestSftp *sftp = begin(4);
	Seen		seen = {0};
	Bytes		bytes = {.length = 0};
	TridentIngestName name;
	size_t		start;

	trident_ingest_sftp_request(sftp, TRIDENT_INGEST_READDIR, "h", 1, on_reply, &seen);
	start = begin_packet(&bytes, TRIDENT_INGEST_NAME);
	add32(&bytes, last_id(sftp));
	add32(&bytes, 2);
	add_string(&bytes, "a\nb");
	add_string(&bytes, "long form");
	add32(&bytes, 0x8000000f);
	add32(&bytes, 1), add32(&bytes, 5); /* size */
	add32(&bytes, 0), add32(&bytes, 0); /* owner */
	add32(&bytes, 0100644);
	add32(&bytes, 7), add32(&bytes, 1700000000);
	add32(&bytes, 1);
	add_string(&bytes, "x@y");
	add_string(&bytes, "z");
	add_string(&bytes, "");
	add_string(&bytes, "");
	add32(&bytes, 0);
	end_packet(&bytes, start);
	tap_ok(feed(sftp, &bytes, 7) && seen.calls == 1 && seen.reply.count == 2, "two names");
	seen.reply.data = seen.data;
	tap_ok(trident_ingest_sftp_next_name(&seen.reply, &name) && name.length == 3 &&
		   memcmp(name.name, "a\nb", 3) == 0 && name.attributes.has_size &&
		   name.attributes.size == 0x100000005 && name.attributes.mode == 0100644 &&
		   name.attributes.modified == 1700000000, "the first with all attributes");
	tap_ok(trident_ingest_sftp_next_name(&seen.reply, &name) && name.length == 0 &&
		   !name.attributes.has_size && !name.attributes.has_mode &&
		   !name.attributes.has_times, "the second with none");
	tap_ok(!trident_ingest_sftp_next_name(&seen.reply, &name), "no third");
	trident_ingest_sftp_free(sftp);
}

/* The client must refuse what is in the bytes, answering READ or READDIR. */
static void
refuse(const char *what, bool listing, void (*build) (Bytes *bytes, uint32 id))
{
	TridentIngestSftp *sftp = begin(4);
	Seen		seen = {0};
	Bytes		bytes = {.length = 0};

	if (listing)
		trident_ingest_sftp_request(sftp, TRIDENT_INGEST_READDIR, "h", 1, on_reply, &seen);
	else
		trident_ingest_sftp_read(sftp, "h", 1, 0, 4, on_reply, &seen);
	build(&bytes, last_id(sftp));
	tap_ok(!feed(sftp, &bytes, bytes.length) && trident_ingest_sftp_error(sftp) != NULL,
		   "%s is refused", what);
	trident_ingest_sftp_lose(sftp);
	tap_ok(seen.calls == 1 && trident_ingest_sftp_pending(sftp) == 0, "and each request got one answer");
	trident_ingest_sftp_free(sftp);
}

static void
too_much_data(Bytes *bytes, uint32 id)
{
	add_data(bytes, id, "five!");
}

static void
no_data(Bytes *bytes, uint32 id)
{
	add_data(bytes, id, "");
}

static void
stray_answer(Bytes *bytes, uint32 id)
{
	add_data(bytes, id + 0x10000, "ab");
}

static void
foreign_id(Bytes *bytes, uint32 id)
{
	add_status(bytes, id | 0xffff, 0);
}

static void
second_answer(Bytes *bytes, uint32 id)
{
	add_data(bytes, id, "ab");
	add_data(bytes, id, "ab");
}

static void
wrong_kind(Bytes *bytes, uint32 id)
{
	size_t		start = begin_packet(bytes, TRIDENT_INGEST_HANDLE);

	add32(bytes, id);
	add_string(bytes, "h");
	end_packet(bytes, start);
}

static void
empty_packet(Bytes *bytes, uint32 id)
{
	add32(bytes, 0);
}

static void
huge_packet(Bytes *bytes, uint32 id)
{
	add32(bytes, 0x7fffffff);
}

static void
string_beyond(Bytes *bytes, uint32 id)
{
	size_t		start = begin_packet(bytes, TRIDENT_INGEST_DATA);

	add32(bytes, id);
	add32(bytes, 0xffffffff);
	end_packet(bytes, start);
}

static void
count_lies(Bytes *bytes, uint32 id)
{
	size_t		start = begin_packet(bytes, TRIDENT_INGEST_NAME);

	add32(bytes, id);
	add32(bytes, 0xffffffff);
	add_string(bytes, "a");
	add_string(bytes, "a");
	add32(bytes, 0);
	end_packet(bytes, start);
}

static void
extensions_lie(Bytes *bytes, uint32 id)
{
	size_t		start = begin_packet(bytes, TRIDENT_INGEST_NAME);

	add32(bytes, id);
	add32(bytes, 1);
	add_string(bytes, "a");
	add_string(bytes, "a");
	add32(bytes, 0x80000000);
	add32(bytes, 0xffffffff);
	end_packet(bytes, start);
}

static void
status_without_code(Bytes *bytes, uint32 id)
{
	size_t		start = begin_packet(bytes, TRIDENT_INGEST_STATUS);

	add32(bytes, id);
	end_packet(bytes, start);
}

static void
test_handle(void)
{
	TridentIngestSftp *sftp = begin(4);
	Seen		seen = {0};
	Bytes		bytes = {.length = 0};
	size_t		start;

	trident_ingest_sftp_open(sftp, "f", 1, on_reply, &seen);
	start = begin_packet(&bytes, TRIDENT_INGEST_HANDLE);
	add32(&bytes, last_id(sftp));
	add32(&bytes, TRIDENT_INGEST_HANDLE_MAX + 1);
	for (int i = 0; i <= TRIDENT_INGEST_HANDLE_MAX; i++)
		add8(&bytes, 'h');
	end_packet(&bytes, start);
	tap_ok(!feed(sftp, &bytes, bytes.length), "a handle that is too long is refused");
	trident_ingest_sftp_free(sftp);
}

static void
test_version(void)
{
	TridentIngestSftp *sftp = trident_ingest_sftp_new(4, NULL);
	Bytes		bytes = {.length = 0};
	size_t		start = begin_packet(&bytes, 2);

	add32(&bytes, 2);
	end_packet(&bytes, start);
	tap_ok(!feed(sftp, &bytes, bytes.length), "another version is refused");
	trident_ingest_sftp_free(sftp);

	sftp = trident_ingest_sftp_new(4, NULL);
	bytes.length = 0;
	add_status(&bytes, last_id(sftp), 0);
	tap_ok(!feed(sftp, &bytes, bytes.length), "an answer before the version is refused");
	trident_ingest_sftp_free(sftp);
}

/* Places are used again, under other ids, and all of them can be used. */
static void
test_reuse(void)
{
	TridentIngestSftp *sftp = begin(3);
	bool		all_well = true;
	Seen		seen = {0};

	for (int i = 0; i < 70000 && all_well; i++)
	{
		Bytes		bytes = {.length = 0};
		size_t		length;

		trident_ingest_sftp_request(sftp, TRIDENT_INGEST_CLOSE, "h", 1, on_reply, &seen);
		add_status(&bytes, last_id(sftp), 0);
		(void) trident_ingest_sftp_output(sftp, &length);
		trident_ingest_sftp_written(sftp, length);
		all_well = feed(sftp, &bytes, bytes.length) && seen.calls == i + 1;
	}
	tap_ok(all_well, "70,000 requests in four places");
	for (int i = 0; i < 1000; i++)
		trident_ingest_sftp_request(sftp, TRIDENT_INGEST_CLOSE, "h", 1, on_reply, &seen);
	tap_ok(trident_ingest_sftp_pending(sftp) == 1001, "a thousand at once");
	trident_ingest_sftp_lose(sftp);
	tap_ok(seen.calls == 71000 && seen.reply.type == TRIDENT_INGEST_LOST, "and is lost with the connection");
	trident_ingest_sftp_free(sftp);
}

int
main(void)
{
	test_order(1);
	test_order(3);
	test_order(4096);
	test_limits();
	test_names();
	test_handle();
	test_version();
	test_reuse();
	refuse("more data than asked for", false, too_much_data);
	refuse("data of no bytes", false, no_data);
	refuse("an answer to an earlier request", false, stray_answer);
	refuse("an answer to a request that never was", false, foreign_id);
	refuse("a second answer", false, second_answer);
	refuse("a handle for data", false, wrong_kind);
	refuse("an empty packet", false, empty_packet);
	refuse("a packet of 2 GB", false, huge_packet);
	refuse("a string beyond its packet", false, string_beyond);
	refuse("a status without a code", false, status_without_code);
	refuse("a count of four billion names", true, count_lies);
	refuse("a count of four billion attributes", true, extensions_lie);
	return tap_done();
}
