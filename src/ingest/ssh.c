/*
 * ssh.c
 *	  The seam to the SSH library: one connection with one SFTP channel.
 *
 * libssh2 in non-blocking mode.  Its rule: a call that returns EAGAIN is made
 * again, with the same arguments, before any other; so each phase is one call
 * that step() repeats, and read and write are the only calls once OPEN.
 * libssh2 keeps no time, so that each phase has a deadline of ours.
 *
 * Only algorithms without known weaknesses are offered; names that the
 * library does not know are passed over by it, so the list serves later
 * versions.  Chacha20 is left out: it needs strict key exchange, which the
 * library does not promise to have.
 *
 * Memory: what libssh2 allocates is malloc'd; a callback of the connection's
 * context frees it, so that neither an error nor a cancelled query leaks it.
 */
#include "postgres.h"

#include <fcntl.h>
#include <libssh2.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "portability/instr_time.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "base/error.h"
#include "ingest/hostkey.h"
#include "ingest/ssh.h"

#define KEX_METHODS \
	"curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256," \
	"ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group16-sha512," \
	"diffie-hellman-group18-sha512,diffie-hellman-group14-sha256," \
	"diffie-hellman-group-exchange-sha256"
#define HOST_KEY_METHODS \
	"ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521," \
	"rsa-sha2-512,rsa-sha2-256,ssh-rsa"
#define CIPHERS \
	"aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
#define MACS \
	"hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com," \
	"hmac-sha2-256,hmac-sha2-512"

/*
 * libssh2 widens the window while it reads, by a packet that it cannot send
 * while one of ours is half sent: with a window like this that comes once in
 * 64 MB.  Nothing is sent that was not asked for, so that it costs no memory.
 */
#define CHANNEL_WINDOW (256 * 1024 * 1024)

/* How often an ending session is asked to end; each time it frees some. */
#define FREE_ATTEMPTS 1000

/* How LOGIN goes about it. */
typedef enum LoginMethod
{
	LOGIN_KEY,
	LOGIN_PASSWORD,
	LOGIN_LIST,					/* asking which methods there are */
	LOGIN_KEYBOARD
} LoginMethod;

struct TridentIngestSsh
{
	MemoryContext context;
	MemoryContextCallback callback;
	const TridentIngestTarget *target;

	TridentIngestPhase phase;
	LoginMethod login;
	int64		deadline_ms;	/* of the phase */
	char	   *key_types;		/* acceptable host keys; NULL: any */

	struct addrinfo *addresses; /* malloc'd by the resolver */
	struct addrinfo *address;	/* the one being tried */
	pgsocket	sock;
	LIBSSH2_SESSION *session;
	LIBSSH2_CHANNEL *channel;

	char		key_type[TRIDENT_INGEST_KEY_TYPE_SIZE];
	char		fingerprint[TRIDENT_INGEST_FINGERPRINT_SIZE];
	TridentIngestFailure failure;
};

int64
trident_ingest_now_ms(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MILLISEC(now);
}

/* What libssh2 says of its last error; never bytes of the server. */
static const char *
library_error(TridentIngestSsh *ssh)
{
	char	   *text = NULL;

	libssh2_session_last_error(ssh->session, &text, NULL, 0);
	return text ? text : "no reason given";
}

static void
enter(TridentIngestSsh *ssh, TridentIngestPhase phase)
{
	ssh->phase = phase;
	ssh->deadline_ms = trident_ingest_now_ms() + ssh->target->timeout_ms;
}

/* Close the socket and free the session, for the next address or for good. */
static void
release_socket(TridentIngestSsh *ssh)
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

/* The connection's context goes: so does what it holds outside of it. */
static void
release_all(void *arg)
{
	TridentIngestSsh *ssh = arg;

	release_socket(ssh);
	if (ssh->addresses)
		freeaddrinfo(ssh->addresses);
	ssh->addresses = NULL;
}

/* Fail with the name of the server in front of what happened. */
static void
fail_connect(TridentIngestSsh *ssh, TridentIngestFailureKind kind, const char *reason)
{
	trident_ingest_fail(&ssh->failure, kind,
						ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
						"could not connect to SFTP server \"%s\" port %d: %s",
						ssh->target->host, ssh->target->port, reason);
	trident_ingest_fail_hint(&ssh->failure, "Check that the SSH server runs there, and that this machine may reach it.");
	ssh->phase = TRIDENT_INGEST_FAILED;
}

/*
 * Open a socket to the current address or, when it does not even begin, to
 * one after it.
 */
static void
try_addresses(TridentIngestSsh *ssh)
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
			enter(ssh, TRIDENT_INGEST_CONNECT);
			return;
		}
		reason = errno;
		release_socket(ssh);
	}
	fail_connect(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT, strerror(reason));
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
	if (target->key_type)
		ssh->key_types = pstrdup(target->key_type);
	else if (target->host_key)
		ssh->key_types = trident_ingest_host_key_types(target->host_key);

	snprintf(port, sizeof(port), "%d", target->port);
	rc = getaddrinfo(target->host, port, &hints, &ssh->addresses);
	if (rc != 0)
	{
		ssh->addresses = NULL;
		fail_connect(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT, gai_strerror(rc));
	}
	else
	{
		ssh->address = ssh->addresses;
		try_addresses(ssh);
	}
	MemoryContextSwitchTo(old);
	return ssh;
}

/* Set one list of methods; a list of which the library knows none fails. */
static bool
prefer(TridentIngestSsh *ssh, int what, const char *methods)
{
	return libssh2_session_method_pref(ssh->session, what, methods) == 0;
}

/* Make the session, once the socket is connected. */
static void
begin_handshake(TridentIngestSsh *ssh)
{
	ssh->session = libssh2_session_init();
	if (!ssh->session)
	{
		fail_connect(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT, "out of memory");
		return;
	}
	libssh2_session_set_blocking(ssh->session, 0);
	if (ssh->target->compression)
		libssh2_session_flag(ssh->session, LIBSSH2_FLAG_COMPRESS, 1);
	if (!prefer(ssh, LIBSSH2_METHOD_KEX, KEX_METHODS) ||
		!prefer(ssh, LIBSSH2_METHOD_CRYPT_CS, CIPHERS) ||
		!prefer(ssh, LIBSSH2_METHOD_CRYPT_SC, CIPHERS) ||
		!prefer(ssh, LIBSSH2_METHOD_MAC_CS, MACS) ||
		!prefer(ssh, LIBSSH2_METHOD_MAC_SC, MACS) ||
		!prefer(ssh, LIBSSH2_METHOD_HOSTKEY, ssh->key_types ? ssh->key_types : HOST_KEY_METHODS))
	{
		trident_ingest_fail(&ssh->failure, TRIDENT_INGEST_FAILURE_PERMANENT,
							ERRCODE_FEATURE_NOT_SUPPORTED,
							"libssh2 %s cannot use host keys of type \"%s\"",
							libssh2_version(0), ssh->key_types ? ssh->key_types : HOST_KEY_METHODS);
		trident_ingest_fail_hint(&ssh->failure, "Pin an ed25519 host key: trident_sftp_host_key() shows those of a server.");
		ssh->phase = TRIDENT_INGEST_FAILED;
		return;
	}
	enter(ssh, TRIDENT_INGEST_HANDSHAKE);
}

/*
 * The current address did not answer, for this reason: on to the next one.
 */
static void
next_address(TridentIngestSsh *ssh, const char *reason)
{
	release_socket(ssh);
	if (ssh->address->ai_next)
	{
		ssh->address = ssh->address->ai_next;
		try_addresses(ssh);
	}
	else
		fail_connect(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT, reason);
}

static bool
step_connect(TridentIngestSsh *ssh)
{
	struct sockaddr_storage peer;
	socklen_t	size = sizeof(peer);
	int			error = 0;
	socklen_t	error_size = sizeof(error);

	if (getpeername(ssh->sock, (struct sockaddr *) &peer, &size) == 0)
	{
		begin_handshake(ssh);
		return true;
	}
	if (getsockopt(ssh->sock, SOL_SOCKET, SO_ERROR, &error, &error_size) != 0)
		error = errno;
	if (error != 0)
		next_address(ssh, strerror(error));
	return error != 0;
}

/* The handshake did not come to an end. */
static void
fail_handshake(TridentIngestSsh *ssh, int rc)
{
	const TridentIngestTarget *target = ssh->target;

	switch (rc)
	{
		case LIBSSH2_ERROR_KEX_FAILURE:
		case LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE:
		case LIBSSH2_ERROR_METHOD_NONE:
			trident_ingest_fail(&ssh->failure, TRIDENT_INGEST_FAILURE_PERMANENT,
								ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
								"could not agree on encryption with SFTP server \"%s\" port %d: %s",
								target->host, target->port, library_error(ssh));
			trident_ingest_fail_detail(&ssh->failure,
									   "The server offers no algorithm that libssh2 %s knows, or no host key of the type that is pinned.",
									   libssh2_version(0));
			trident_ingest_fail_hint(&ssh->failure,
									 "Let the server have an ed25519 host key, curve25519-sha256, aes128-ctr and hmac-sha2-256, or use libssh2 1.11 or later here, which knows rsa-sha2, etm and gcm.");
			break;
		case LIBSSH2_ERROR_SOCKET_RECV:
		case LIBSSH2_ERROR_BANNER_RECV:
		case LIBSSH2_ERROR_SOCKET_DISCONNECT:
			trident_ingest_fail(&ssh->failure, TRIDENT_INGEST_FAILURE_LIMIT,
								ERRCODE_SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION,
								"SFTP server \"%s\" port %d closed the connection before login",
								target->host, target->port);
			trident_ingest_fail_detail(&ssh->failure, "A server that has as many logins under way as it allows (MaxStartups of OpenSSH) does this.");
			trident_ingest_fail_hint(&ssh->failure, "Try again, or lower the option connections of the foreign server.");
			break;
		default:
			fail_connect(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT, library_error(ssh));
			return;
	}
	ssh->phase = TRIDENT_INGEST_FAILED;
}

/* Is the server the one that is pinned?  Says what to do if not. */
static bool
check_host_key(TridentIngestSsh *ssh)
{
	const TridentIngestTarget *target = ssh->target;
	size_t		length;
	int			type;
	const char *key = libssh2_session_hostkey(ssh->session, &length, &type);
	const char *digest = libssh2_hostkey_hash(ssh->session, LIBSSH2_HOSTKEY_HASH_SHA256);
	bool		unknown = target->host_key == NULL;

	if (!key || !digest ||
		!trident_ingest_key_type((const uint8 *) key, length, ssh->key_type))
	{
		fail_connect(ssh, TRIDENT_INGEST_FAILURE_PERMANENT, "it showed no host key that can be read");
		return false;
	}
	trident_ingest_fingerprint((const uint8 *) digest, ssh->fingerprint);
	if (target->user == NULL ||
		(!unknown &&
		 trident_ingest_host_key_matches(target->host_key, (const uint8 *) key,
										 length, ssh->fingerprint)))
		return true;

	trident_ingest_fail(&ssh->failure, TRIDENT_INGEST_FAILURE_PERMANENT,
						unknown ? TRIDENT_ERRCODE_INGEST_UNKNOWN_HOST_KEY :
						TRIDENT_ERRCODE_INGEST_CHANGED_HOST_KEY,
						unknown ? "host key of SFTP server \"%s\" port %d is not known" :
						"host key of SFTP server \"%s\" port %d is not the pinned one",
						target->host, target->port);
	trident_ingest_fail_detail(&ssh->failure, unknown ?
							   "The server shows a key of type %s with fingerprint %s; nothing was sent to it." :
							   "The server shows a key of type %s with fingerprint %s; nothing was sent to it. Either it has got a new key, or somebody else answers in its place.",
							   ssh->key_type, ssh->fingerprint);
	trident_ingest_fail_hint(&ssh->failure,
							 "If the server's administrator confirms this fingerprint, pin it: ALTER SERVER %s OPTIONS (%s host_key '%s').",
							 target->source, unknown ? "ADD" : "SET", ssh->fingerprint);
	ssh->phase = TRIDENT_INGEST_FAILED;
	return false;
}

static bool
step_handshake(TridentIngestSsh *ssh)
{
	int			rc = libssh2_session_handshake(ssh->session, ssh->sock);

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return false;
	if (rc != 0)
		fail_handshake(ssh, rc);
	else if (check_host_key(ssh))
	{
		enter(ssh, ssh->target->user ? TRIDENT_INGEST_LOGIN : TRIDENT_INGEST_OPEN);
		ssh->login = ssh->target->private_key ? LOGIN_KEY : LOGIN_PASSWORD;
	}
	return true;
}

/* Answers every question that is not shown by the password. */
static void
answer_questions(const char *name, int name_length, const char *instruction,
				 int instruction_length, int count,
				 const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompts,
				 LIBSSH2_USERAUTH_KBDINT_RESPONSE *responses, void **abstract)
{
	const char *password = *abstract;

	for (int i = 0; i < count; i++)
	{
		/* libssh2 frees what it is given. */
		responses[i].text = prompts[i].echo ? NULL : strdup(password);
		responses[i].length = responses[i].text ? (unsigned int) strlen(password) : 0;
	}
}

/* The server did not let the user in, or the key cannot be used. */
static void
fail_login(TridentIngestSsh *ssh, int rc)
{
	const TridentIngestTarget *target = ssh->target;
	bool		by_key = ssh->login == LOGIN_KEY;
	bool		is_refused = rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED ||
		rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED;

	if (rc == LIBSSH2_ERROR_SOCKET_SEND || rc == LIBSSH2_ERROR_SOCKET_RECV ||
		rc == LIBSSH2_ERROR_SOCKET_DISCONNECT || rc == LIBSSH2_ERROR_TIMEOUT ||
		(!by_key && !is_refused && rc != LIBSSH2_ERROR_PASSWORD_EXPIRED))
	{
		fail_connect(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT, library_error(ssh));
		return;
	}
	trident_ingest_fail(&ssh->failure, TRIDENT_INGEST_FAILURE_PERMANENT,
						by_key ? ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION :
						ERRCODE_INVALID_PASSWORD,
						"SFTP server \"%s\" port %d refused user \"%s\" by %s",
						target->host, target->port, target->user,
						by_key ? "private key" : "password");
	if (by_key && !is_refused)
	{
		/* Parsing a key fails with a code for each of its layers. */
		trident_ingest_fail_detail(&ssh->failure, "The private key could not be read: not a key, of a type that libssh2 %s does not know, or not of this passphrase.",
								   libssh2_version(0));
		trident_ingest_fail_hint(&ssh->failure, "Check the options private_key and passphrase of the user mapping: an ed25519 key as ssh-keygen writes it serves.");
	}
	else if (by_key && LIBSSH2_VERSION_NUM < 0x010b00 && libssh2_version(0x010b00) == NULL &&
			 trident_ingest_key_is_rsa(target->private_key))
	{
		trident_ingest_fail_detail(&ssh->failure, "The key is an RSA key, which libssh2 %s uses with SHA-1 only; OpenSSH 8.8 and later refuse that.",
								   libssh2_version(0));
		trident_ingest_fail_hint(&ssh->failure, "Use an ed25519 key (ssh-keygen -t ed25519), or libssh2 1.11 or later.");
	}
	else
		trident_ingest_fail_hint(&ssh->failure, by_key ?
								 "Check user and private_key of the user mapping, and that the public key is among the user's authorized keys on the server." :
								 "Check user and password of the user mapping.");
	ssh->phase = TRIDENT_INGEST_FAILED;
}

static int
log_in(TridentIngestSsh *ssh)
{
	const TridentIngestTarget *target = ssh->target;
	unsigned int user_length = (unsigned int) strlen(target->user);
	const char *password = target->password ? target->password : "";

	switch (ssh->login)
	{
		case LOGIN_KEY:
			return libssh2_userauth_publickey_frommemory(ssh->session, target->user,
														 user_length, NULL, 0,
														 target->private_key,
														 strlen(target->private_key),
														 target->passphrase);
		case LOGIN_PASSWORD:
			return libssh2_userauth_password_ex(ssh->session, target->user, user_length,
												password, (unsigned int) strlen(password), NULL);
		case LOGIN_KEYBOARD:
			*libssh2_session_abstract(ssh->session) = unconstify(char *, target->password);
			return libssh2_userauth_keyboard_interactive_ex(ssh->session, target->user,
															user_length, answer_questions);
		case LOGIN_LIST:
			break;
	}
	return LIBSSH2_ERROR_METHOD_NONE;
}

/* After a refused password: does the server ask by keyboard-interactive? */
static bool
list_methods(TridentIngestSsh *ssh)
{
	const char *user = ssh->target->user;
	const char *methods = libssh2_userauth_list(ssh->session, user, (unsigned int) strlen(user));

	if (!methods && libssh2_session_last_errno(ssh->session) == LIBSSH2_ERROR_EAGAIN)
		return false;
	if (methods && strstr(methods, "keyboard-interactive"))
		ssh->login = LOGIN_KEYBOARD;
	else
		fail_login(ssh, LIBSSH2_ERROR_AUTHENTICATION_FAILED);
	return true;
}

static bool
step_login(TridentIngestSsh *ssh)
{
	int			rc;

	if (ssh->login == LOGIN_LIST)
		return list_methods(ssh);
	rc = log_in(ssh);
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return false;
	if (rc == 0)
		enter(ssh, TRIDENT_INGEST_CHANNEL);
	else if (ssh->login == LOGIN_PASSWORD && ssh->target->password &&
			 rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED)
		ssh->login = LOGIN_LIST;
	else
		fail_login(ssh, rc);
	return true;
}

static bool
step_channel(TridentIngestSsh *ssh)
{
	int			rc;

	ssh->channel = libssh2_channel_open_ex(ssh->session, "session", 7, CHANNEL_WINDOW,
										   LIBSSH2_CHANNEL_PACKET_DEFAULT, NULL, 0);
	if (ssh->channel)
	{
		enter(ssh, TRIDENT_INGEST_SUBSYSTEM);
		return true;
	}
	rc = libssh2_session_last_errno(ssh->session);
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return false;
	fail_connect(ssh, rc == LIBSSH2_ERROR_CHANNEL_FAILURE ?
				 TRIDENT_INGEST_FAILURE_LIMIT : TRIDENT_INGEST_FAILURE_TRANSIENT,
				 rc == LIBSSH2_ERROR_CHANNEL_FAILURE ?
				 "it refused to open a channel (MaxSessions of OpenSSH)" : library_error(ssh));
	return true;
}

static bool
step_subsystem(TridentIngestSsh *ssh)
{
	int			rc = libssh2_channel_subsystem(ssh->channel, "sftp");

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return false;
	if (rc == 0)
		enter(ssh, TRIDENT_INGEST_OPEN);
	else if (rc == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED)
		fail_connect(ssh, TRIDENT_INGEST_FAILURE_PERMANENT, "it has no SFTP subsystem for this user");
	else
		fail_connect(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT, library_error(ssh));
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
				moved = step_connect(ssh);
				break;
			case TRIDENT_INGEST_HANDSHAKE:
				moved = step_handshake(ssh);
				break;
			case TRIDENT_INGEST_LOGIN:
				moved = step_login(ssh);
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
			next_address(ssh, doing[ssh->phase]);
		else
			fail_connect(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT, doing[ssh->phase]);
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
	fail_open(ssh, n == 0 ? "the server closed the channel" : library_error(ssh));
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
	fail_open(ssh, library_error(ssh));
	return -1;
}

const TridentIngestFailure *
trident_ingest_ssh_failure(TridentIngestSsh *ssh)
{
	return &ssh->failure;
}

const char *
trident_ingest_ssh_key_type(TridentIngestSsh *ssh)
{
	return ssh->key_type;
}

const char *
trident_ingest_ssh_fingerprint(TridentIngestSsh *ssh)
{
	return ssh->fingerprint;
}

void
trident_ingest_ssh_close(TridentIngestSsh *ssh)
{
	MemoryContextDelete(ssh->context);
}
