/*
 * fuzz_sftp.c
 *	  The SFTP client against a server that answers any bytes.
 *
 * The first bytes say which requests are made; the rest is what the server
 * sends, after a valid version, in pieces of a size that the input chooses.
 * Every request must get exactly one answer, and what an answer points to must
 * be readable.
 */
#include "postgres.h"

#include "ingest/sftp.h"
#include "shim.h"

#define REQUESTS 8

static int	answers;
static volatile uint8 sink;

static void
on_reply(void *owner, void *argument, TridentIngestReply *reply)
{
	TridentIngestName name;
	uint32		names = 0;
	uint32		count = reply->count;

	answers++;
	SHIM_HOLDS(owner == &answers && argument == &answers);
	if (reply->type == TRIDENT_INGEST_NAME)
	{
		while (trident_ingest_sftp_next_name(reply, &name))
		{
			for (uint32 i = 0; i < name.length; i++)
				sink += (uint8) name.name[i];
			names++;
		}
		SHIM_HOLDS(names == count);
	}
	else
		for (uint32 i = 0; i < reply->length; i++)
			sink += reply->data[i];
	SHIM_HOLDS(reply->type != TRIDENT_INGEST_HANDLE ||
			   (reply->length > 0 && reply->length <= TRIDENT_INGEST_HANDLE_MAX));
	SHIM_HOLDS(reply->type != TRIDENT_INGEST_DATA || (reply->length > 0 && reply->length <= 100));
}

/* Give the bytes in pieces; false when the client has had enough. */
static bool
feed(TridentIngestSftp *sftp, const uint8 *data, size_t size, size_t step)
{
	while (size > 0)
	{
		size_t		room;
		uint8	   *to = trident_ingest_sftp_input(sftp, &room);
		size_t		n = Min(Min(step, size), room);

		SHIM_HOLDS(room > 0);
		memcpy(to, data, n);
		if (!trident_ingest_sftp_received(sftp, n))
			return false;
		data += n;
		size -= n;
	}
	return true;
}

int			LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static const uint8 version[] = {0, 0, 0, 5, 2, 0, 0, 0, 3};
	static const TridentIngestRequest types[] = {
		TRIDENT_INGEST_READDIR, TRIDENT_INGEST_LSTAT, TRIDENT_INGEST_OPENDIR, TRIDENT_INGEST_CLOSE
	};
	TridentIngestSftp *sftp;
	void	   *argument = &answers;

	if (size < REQUESTS + 1)
		return 0;
	answers = 0;
	sftp = trident_ingest_sftp_new(REQUESTS, &answers);
	for (int i = 0; i < REQUESTS; i++)
	{
		if (data[i] % 6 == 4)
			trident_ingest_sftp_open(sftp, data, 3, on_reply, argument);
		else if (data[i] % 6 == 5)
			trident_ingest_sftp_read(sftp, "h", 1, data[i], 100, on_reply, argument);
		else
			trident_ingest_sftp_request(sftp, types[data[i] % 6], "h", 1, on_reply,
										argument);
	}
	if (feed(sftp, version, sizeof(version), sizeof(version)))
		(void) feed(sftp, data + REQUESTS + 1, size - REQUESTS - 1, 1 + data[REQUESTS]);
	trident_ingest_sftp_lose(sftp);
	SHIM_HOLDS(answers == REQUESTS);
	SHIM_HOLDS(trident_ingest_sftp_pending(sftp) == 0);
	trident_ingest_sftp_free(sftp);
	shim_reset();
	return 0;
}
