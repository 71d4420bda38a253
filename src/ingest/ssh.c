/*
 * ssh.c
 *	  The seam to the SSH library: one connection with one SFTP channel.
 *
 * libssh2 in non-blocking mode.  Its rule: a call that returns EAGAIN is made
 * again, with the same arguments, before any other; so each phase is one call
 * that step() repeats, and read and write are the only calls once OPEN.
 * libssh2 keeps no time, so that each phase has a deadline of ours.
 *
 * Memory: what libssh2 allocates is malloc'd; a callback of the connection's
 * context frees it, so that neither an error nor a cancelled query leaks it.
 */
#include "postgres.h"

#include <netdb.h>
#include <sys/socket.h>

#include "portability/instr_time.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "ingest/ssh_step.h"

/*
 * What a server may send before it is read, which libssh2 takes in as fast as
 * it comes: a bound of the memory of a connection.  libssh2 widens the window
 * while it reads, by a packet that it cannot send while one of ours is half
 * sent: with a window like this that comes once in 2 MB.  A line of 50 ms is
 * filled up to 160 MB/s.
 */
#define CHANNEL_WINDOW (8 * 1024 * 1024)

bool
trident_ingest_text_equal(const char *a, const char *b)
{
	return (a && b) ? strcmp(a, b) == 0 : a == b;
}

bool
trident_ingest_target_equal(const TridentIngestTarget *a, const TridentIngestTarget *b)
{
	return trident_ingest_text_equal(a->host, b->host) && a->port == b->port &&
		trident_ingest_text_equal(a->host_key, b->host_key) &&
		trident_ingest_text_equal(a->user, b->user) &&
		trident_ingest_text_equal(a->password, b->password) &&
		trident_ingest_text_equal(a->private_key, b->private_key) &&
		trident_ingest_text_equal(a->passphrase, b->passphrase) &&
		a->compression == b->compression;
}

int64
trident_ingest_now_ms(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MILLISEC(now);
}

const char *
trident_ingest_ssh_error(TridentIngestSsh *ssh)
{
	char	   *text = NULL;

	libssh2_session_last_error(ssh->session, &text, NULL, 0);
	return text ? text : "no reason given";
}

void
trident_ingest_ssh_enter(TridentIngestSsh *ssh, TridentIngestPhase phase)
{
	ssh->phase = phase;
	ssh->deadline_ms = trident_ingest_now_ms() + ssh->target->timeout_ms;
}

/* The connection's context goes: so does what it holds outside of it. */
static void
release_all(void *arg)
{
	TridentIngestSsh *ssh = arg;

	trident_ingest_ssh_release(ssh);
	if (ssh->addresses)
		freeaddrinfo(ssh->addresses);
	ssh->addresses = NULL;
}

void
trident_ingest_ssh_fail(TridentIngestSsh *ssh, TridentIngestFailureKind kind, const char *reason)
{
	trident_ingest_fail(&ssh->failure, kind,
						ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
						"could not connect to SFTP server \"%s\" port %d: %s",
						ssh->target->host, ssh->target->port, reason);
	trident_ingest_fail_hint(&ssh->failure, "Check that the SSH server runs there, and that this machine may reach it.");
	ssh->phase = TRIDENT_INGEST_FAILED;
}

TridentIngestSsh *
trident_ingest_ssh_start(const TridentIngestTarget *target)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "trident ssh connection",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TridentIngestSsh *ssh = palloc0(sizeof(TridentIngestSsh));
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	char		port[16];
	int			rc;

	ssh->context = context;
	ssh->target = target;
	ssh->sock = PGINVALID_SOCKET;
	ssh->callback.func = release_all;
	ssh->callback.arg = ssh;
	MemoryContextRegisterResetCallback(context, &ssh->callback);
	if (target->key_types)
		ssh->key_types = pstrdup(target->key_types);
	else if (target->host_key)
	{
		ssh->key_types = trident_ingest_host_key_types(target->host_key);
		ssh->is_type_pinned = ssh->key_types != NULL;
	}

	snprintf(port, sizeof(port), "%d", target->port);
	rc = getaddrinfo(target->host, port, &hints, &ssh->addresses);
	if (rc != 0)
	{
		ssh->addresses = NULL;
		trident_ingest_ssh_fail(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT, gai_strerror(rc));
	}
	else
	{
		ssh->address = ssh->addresses;
		trident_ingest_ssh_try(ssh);
	}
	MemoryContextSwitchTo(old);
	return ssh;
}

static bool
step_channel(TridentIngestSsh *ssh)
{
	int			rc;

	ssh->channel = libssh2_channel_open_ex(ssh->session, "session", 7, CHANNEL_WINDOW,
										   LIBSSH2_CHANNEL_PACKET_DEFAULT, NULL, 0);
	if (ssh->channel)
	{
		trident_ingest_ssh_enter(ssh, TRIDENT_INGEST_SUBSYSTEM);
		return true;
	}
	rc = libssh2_session_last_errno(ssh->session);
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return false;
	trident_ingest_ssh_fail(ssh, rc == LIBSSH2_ERROR_CHANNEL_FAILURE ?
							TRIDENT_INGEST_FAILURE_LIMIT : TRIDENT_INGEST_FAILURE_TRANSIENT,
							rc == LIBSSH2_ERROR_CHANNEL_FAILURE ?
							"it refused to open a channel (MaxSessions of OpenSSH)" :
							trident_ingest_ssh_error(ssh));
	return true;
}

static bool
step_subsystem(TridentIngestSsh *ssh)
{
	int			rc = libssh2_channel_subsystem(ssh->channel, "sftp");

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return false;
	if (rc == 0)
		trident_ingest_ssh_enter(ssh, TRIDENT_INGEST_OPEN);
	else if (rc == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED)
		trident_ingest_ssh_fail(ssh, TRIDENT_INGEST_FAILURE_PERMANENT, "it has no SFTP subsystem for this user");
	else
		trident_ingest_ssh_fail(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT,
								trident_ingest_ssh_error(ssh));
	return true;
}

TridentIngestPhase
trident_ingest_ssh_step(TridentIngestSsh *ssh)
{
	static const char *const doing[] = {
		"no answer to the connection request", "no answer during the handshake",
		"no answer to the login", "no answer to the request for a channel",
	"no answer to the request for SFTP"};
	bool		moved = true;

	while (moved && ssh->phase < TRIDENT_INGEST_OPEN)
	{
		switch (ssh->phase)
		{
			case TRIDENT_INGEST_CONNECT:
				moved = trident_ingest_ssh_step_connect(ssh);
				break;
			case TRIDENT_INGEST_HANDSHAKE:
				moved = trident_ingest_ssh_step_handshake(ssh);
				break;
			case TRIDENT_INGEST_LOGIN:
				moved = trident_ingest_ssh_step_login(ssh);
				break;
			case TRIDENT_INGEST_CHANNEL:
				moved = step_channel(ssh);
				break;
			default:
				moved = step_subsystem(ssh);
				break;
		}
	}
	if (ssh->phase < TRIDENT_INGEST_OPEN && trident_ingest_now_ms() >= ssh->deadline_ms)
	{
		if (ssh->phase == TRIDENT_INGEST_CONNECT)
			trident_ingest_ssh_next(ssh, doing[ssh->phase]);
		else
			trident_ingest_ssh_fail(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT, doing[ssh->phase]);
	}
	return ssh->phase;
}

pgsocket
trident_ingest_ssh_socket(TridentIngestSsh *ssh)
{
	return ssh->sock;
}

int
trident_ingest_ssh_events(TridentIngestSsh *ssh)
{
	int			directions;

	if (ssh->phase == TRIDENT_INGEST_CONNECT)
		return WL_SOCKET_WRITEABLE;
	directions = libssh2_session_block_directions(ssh->session);
	return WL_SOCKET_READABLE |
		((directions & LIBSSH2_SESSION_BLOCK_OUTBOUND) ? WL_SOCKET_WRITEABLE : 0);
}

long
trident_ingest_ssh_patience(TridentIngestSsh *ssh)
{
	if (ssh->phase >= TRIDENT_INGEST_OPEN)
		return -1;
	return (long) Max(ssh->deadline_ms - trident_ingest_now_ms(), 0);
}

/* The open connection is no more. */
static void
fail_open(TridentIngestSsh *ssh, const char *reason)
{
	trident_ingest_fail(&ssh->failure, TRIDENT_INGEST_FAILURE_TRANSIENT,
						ERRCODE_CONNECTION_FAILURE,
						"connection to SFTP server \"%s\" port %d was lost: %s",
						ssh->target->host, ssh->target->port, reason);
	trident_ingest_fail_hint(&ssh->failure, "Try again; if it happens often, look into the log of the SSH server.");
	ssh->phase = TRIDENT_INGEST_FAILED;
}

ssize_t
trident_ingest_ssh_read(TridentIngestSsh *ssh, void *to, size_t size)
{
	ssize_t		n;

	if (ssh->phase != TRIDENT_INGEST_OPEN)
		return -1;
	n = libssh2_channel_read(ssh->channel, to, size);
	if (n > 0)
		return n;
	/* BAD_USE: a packet is half sent; see CHANNEL_WINDOW. */
	if (n == LIBSSH2_ERROR_EAGAIN || n == LIBSSH2_ERROR_BAD_USE)
		return 0;
	if (n == 0 && !libssh2_channel_eof(ssh->channel))
		return 0;
	fail_open(ssh, n == 0 ? "the server closed the channel" : trident_ingest_ssh_error(ssh));
	return -1;
}

ssize_t
trident_ingest_ssh_write(TridentIngestSsh *ssh, const void *from, size_t size)
{
	ssize_t		n;

	if (ssh->phase != TRIDENT_INGEST_OPEN)
		return -1;
	n = libssh2_channel_write(ssh->channel, from, size);
	if (n >= 0)
		return n;
	if (n == LIBSSH2_ERROR_EAGAIN)
		return 0;
	fail_open(ssh, trident_ingest_ssh_error(ssh));
	return -1;
}

const TridentIngestFailure *
trident_ingest_ssh_failure(TridentIngestSsh *ssh)
{
	return &ssh->failure;
}

const char *
trident_ingest_ssh_fingerprint(TridentIngestSsh *ssh)
{
	return ssh->fingerprint;
}

const char *
trident_ingest_ssh_key_type(TridentIngestSsh *ssh)
{
	return ssh->key_type;
}

void
trident_ingest_ssh_close(TridentIngestSsh *ssh)
{
	MemoryContextDelete(ssh->context);
}
