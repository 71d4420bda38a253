/*
 * ssh_connect.c
 *	  The socket of an SSH connection: addresses are tried one after another.
 */
#include "postgres.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "storage/fd.h"

#include "ingest/ssh_step.h"

/* How often an ending session is asked to end; each time it frees some. */
#define FREE_ATTEMPTS 1000

void
trident_ingest_ssh_release(TridentIngestSsh *ssh)
{
	if (ssh->session)
	{
		/* With the socket shut, nothing in libssh2 waits any more. */
		if (ssh->phase > TRIDENT_INGEST_CONNECT && ssh->phase != TRIDENT_INGEST_FAILED)
			libssh2_session_disconnect(ssh->session, "done");
		if (ssh->sock != PGINVALID_SOCKET)
			shutdown(ssh->sock, SHUT_RDWR);
		for (int i = 0; i < FREE_ATTEMPTS; i++)
			if (libssh2_session_free(ssh->session) != LIBSSH2_ERROR_EAGAIN)
				break;
		ssh->session = NULL;
		ssh->channel = NULL;
	}
	if (ssh->sock != PGINVALID_SOCKET)
	{
		closesocket(ssh->sock);
		ReleaseExternalFD();
		ssh->sock = PGINVALID_SOCKET;
	}
}

void
trident_ingest_ssh_try(TridentIngestSsh *ssh)
{
	int			reason = ENETUNREACH;

	for (; ssh->address; ssh->address = ssh->address->ai_next)
	{
		int			on = 1;

		if (!AcquireExternalFD())
		{
			reason = EMFILE;
			break;
		}
		ssh->sock = socket(ssh->address->ai_family, SOCK_STREAM, 0);
		if (ssh->sock == PGINVALID_SOCKET)
		{
			reason = errno;
			ReleaseExternalFD();
			continue;
		}
		(void) fcntl(ssh->sock, F_SETFD, FD_CLOEXEC);
		setsockopt(ssh->sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(ssh->sock, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		if (pg_set_noblock(ssh->sock) &&
			(connect(ssh->sock, ssh->address->ai_addr, ssh->address->ai_addrlen) == 0 ||
			 errno == EINPROGRESS))
		{
			trident_ingest_ssh_enter(ssh, TRIDENT_INGEST_CONNECT);
			return;
		}
		reason = errno;
		trident_ingest_ssh_release(ssh);
	}
	trident_ingest_ssh_fail(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT, strerror(reason));
}

void
trident_ingest_ssh_next(TridentIngestSsh *ssh, const char *reason)
{
	trident_ingest_ssh_release(ssh);
	if (ssh->address->ai_next)
	{
		ssh->address = ssh->address->ai_next;
		trident_ingest_ssh_try(ssh);
	}
	else
		trident_ingest_ssh_fail(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT, reason);
}

bool
trident_ingest_ssh_step_connect(TridentIngestSsh *ssh)
{
	struct sockaddr_storage peer;
	socklen_t	size = sizeof(peer);
	int			error = 0;
	socklen_t	error_size = sizeof(error);

	if (getpeername(ssh->sock, (struct sockaddr *) &peer, &size) == 0)
	{
		trident_ingest_ssh_begin_handshake(ssh);
		return true;
	}
	if (getsockopt(ssh->sock, SOL_SOCKET, SO_ERROR, &error, &error_size) != 0)
		error = errno;
	if (error != 0)
		trident_ingest_ssh_next(ssh, strerror(error));
	return error != 0;
}
