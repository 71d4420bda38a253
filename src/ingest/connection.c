/*
 * connection.c
 *	  An SSH connection and the SFTP client on its channel, moved along
 *	  together without waiting.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "base/wait.h"
#include "ingest/connection.h"

/*
 * Reads of one pump: some hundred kilobytes, then other connections of the
 * same loop get their turn.
 */
#define READS_A_PUMP 64

struct TridentIngestConnection
{
	MemoryContext context;
	TridentIngestSsh *ssh;
	TridentIngestSftp *sftp;
	int			timeout_ms;		/* for an answer */
	int64		waiting_since_ms;	/* for the answer that is due; 0: none is */
	bool		has_more;		/* the last pump stopped before the end */
	bool		has_failed;
	uint64		received;
	TridentIngestFailure failure;
};

TridentIngestConnection *
trident_ingest_connection_open(const TridentIngestTarget *target, int requests,
							   int request_timeout_ms, void *owner)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "trident sftp connection",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TridentIngestConnection *connection = palloc0(sizeof(TridentIngestConnection));

	connection->context = context;
	connection->timeout_ms = request_timeout_ms;
	connection->sftp = trident_ingest_sftp_new(requests, owner);
	connection->ssh = trident_ingest_ssh_start(target);
	MemoryContextSwitchTo(old);
	return connection;
}

void
trident_ingest_connection_set_timeout(TridentIngestConnection *connection, int request_timeout_ms)
{
	connection->timeout_ms = request_timeout_ms;
}

void
trident_ingest_connection_close(TridentIngestConnection *connection)
{
	MemoryContextDelete(connection->context);
}

TridentIngestSftp *
trident_ingest_connection_sftp(TridentIngestConnection *connection)
{
	return connection->sftp;
}

TridentIngestSsh *
trident_ingest_connection_ssh(TridentIngestConnection *connection)
{
	return connection->ssh;
}

/* Write all that waits; true when something moved. */
static bool
pump_out(TridentIngestConnection *connection)
{
	bool		moved = false;
	size_t		length;
	const uint8 *bytes = trident_ingest_sftp_output(connection->sftp, &length);

	while (length > 0)
	{
		ssize_t		n = trident_ingest_ssh_write(connection->ssh, bytes, length);

		if (n < 0)
			connection->has_failed = true;
		if (n <= 0)
			break;
		moved = true;
		trident_ingest_sftp_written(connection->sftp, (size_t) n);
		bytes = trident_ingest_sftp_output(connection->sftp, &length);
	}
	return moved;
}

/* Read once and hand on the answers; true when something moved. */
static bool
pump_in(TridentIngestConnection *connection)
{
	size_t		room;
	uint64		answers = trident_ingest_sftp_answers(connection->sftp);
	uint8	   *to = trident_ingest_sftp_input(connection->sftp, &room);
	ssize_t		n = trident_ingest_ssh_read(connection->ssh, to, room);

	if (n < 0)
	{
		connection->has_failed = true;
		return false;
	}
	if (n == 0)
		return false;
	connection->received += (uint64) n;
	if (!trident_ingest_sftp_received(connection->sftp, (size_t) n))
	{
		trident_ingest_fail(&connection->failure, TRIDENT_INGEST_FAILURE_PERMANENT,
							ERRCODE_PROTOCOL_VIOLATION,
							"SFTP server broke the protocol: it sent %s",
							trident_ingest_sftp_error(connection->sftp));
		trident_ingest_fail_hint(&connection->failure, "Check that the server speaks SFTP version 3, as OpenSSH does.");
		connection->has_failed = true;
	}
	/* A byte now and then is no answer. */
	if (trident_ingest_sftp_answers(connection->sftp) != answers)
		connection->waiting_since_ms = trident_ingest_now_ms();
	return true;
}

/* Is an answer due for too long? */
static void
check_patience(TridentIngestConnection *connection)
{
	if (trident_ingest_sftp_pending(connection->sftp) == 0)
		connection->waiting_since_ms = 0;
	else if (connection->waiting_since_ms == 0)
		connection->waiting_since_ms = trident_ingest_now_ms();
	else if (trident_ingest_now_ms() - connection->waiting_since_ms >= connection->timeout_ms)
	{
		trident_ingest_fail(&connection->failure, TRIDENT_INGEST_FAILURE_TRANSIENT,
							ERRCODE_CONNECTION_FAILURE,
							"SFTP server has given no whole answer for %d s",
							connection->timeout_ms / 1000);
		trident_ingest_fail_hint(&connection->failure, "Try again, or raise trident.ingest_request_timeout.");
		connection->has_failed = true;
	}
}

bool
trident_ingest_connection_pump(TridentIngestConnection *connection)
{
	TridentIngestPhase phase;
	int			reads = 0;

	if (connection->has_failed)
		return false;

	phase = trident_ingest_ssh_step(connection->ssh);
	connection->has_more = false;
	if (phase == TRIDENT_INGEST_FAILED)
		connection->has_failed = true;
	else if (phase == TRIDENT_INGEST_OPEN)
	{
		bool		moved = true;

		/* What was read may have been answered by more requests. */
		while (moved && !connection->has_failed)
		{
			if (reads++ >= READS_A_PUMP)
			{
				connection->has_more = true;
				break;
			}
			moved = pump_out(connection);
			if (!connection->has_failed)
				moved |= pump_in(connection);
		}
		if (!connection->has_failed)
			check_patience(connection);
	}
	if (connection->has_failed)
		trident_ingest_sftp_lose(connection->sftp);
	return !connection->has_failed;
}

void
trident_ingest_connection_push(TridentIngestConnection *connection)
{
	/* A failure is found, and told to the requests, by the next pump. */
	if (!connection->has_failed &&
		trident_ingest_ssh_step(connection->ssh) == TRIDENT_INGEST_OPEN)
	{
		(void) pump_out(connection);
		connection->has_failed = false;
	}
}

bool
trident_ingest_connection_is_ready(TridentIngestConnection *connection)
{
	return !connection->has_failed && trident_ingest_sftp_is_ready(connection->sftp);
}

const TridentIngestFailure *
trident_ingest_connection_failure(TridentIngestConnection *connection)
{
	if (connection->failure.kind != TRIDENT_INGEST_FAILURE_NONE)
		return &connection->failure;
	return trident_ingest_ssh_failure(connection->ssh);
}

int
trident_ingest_connection_events(TridentIngestConnection *connection)
{
	return trident_ingest_ssh_events(connection->ssh);
}

long
trident_ingest_connection_patience(TridentIngestConnection *connection)
{
	long		patience = trident_ingest_ssh_patience(connection->ssh);

	if (connection->has_more)
		return 0;
	if (patience < 0 && connection->waiting_since_ms != 0)
		patience = (long) Max(connection->waiting_since_ms + connection->timeout_ms -
							  trident_ingest_now_ms(), 0);
	return patience;
}

uint64
trident_ingest_connection_received(TridentIngestConnection *connection)
{
	return connection->received;
}

static void
pump_until(TridentIngestConnection *connection, bool *done)
{
	static uint32 event = 0;

	for (;;)
	{
		long		patience;

		if (!trident_ingest_connection_pump(connection))
			trident_ingest_failure_raise(trident_ingest_connection_failure(connection));
		if (*done)
			return;
		patience = trident_ingest_connection_patience(connection);
		(void) WaitLatchOrSocket(MyLatch,
								 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
								 trident_ingest_connection_events(connection) |
								 (patience >= 0 ? WL_TIMEOUT : 0),
								 trident_ingest_ssh_socket(connection->ssh),
								 patience, trident_base_wait_event(&event, "TridentSftp"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
trident_ingest_connection_await(TridentIngestConnection *connection, bool *done)
{
	PG_TRY();
	{
		pump_until(connection, done);
	}
	PG_CATCH();
	{
		/* Answers that still come belong to a caller that is no more. */
		connection->has_failed = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
}
