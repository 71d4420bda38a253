/*
 * ssh_handshake.c
 *	  Encryption is agreed on, and the server is the one that is pinned.
 *
 * Only algorithms without known weaknesses are offered, with one exception:
 * ssh-rsa, which signs with SHA-1, comes last, for a server whose only host key
 * is RSA and a library before 1.11 that knows no other way to check it.  Names
 * that the library does not know are passed over by it, so the list serves
 * later versions.  Chacha20 is left out: it needs strict key exchange, which the
 * library does not promise to have.
 */
#include "postgres.h"

#include "base/error.h"
#include "ingest/ssh_step.h"

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

const char *
trident_ingest_host_key_types_after(const char *types, const char *type)
{
	size_t		length = strlen(type);

	if (!types)
		types = HOST_KEY_METHODS;
	for (const char *p = types; (p = strstr(p, type)) != NULL; p += length)
		if ((p == types || p[-1] == ',') && p[length] == ',')
			return p + length + 1;
	return NULL;
}

/* Set one list of methods; a list of which the library knows none fails. */
static bool
prefer(TridentIngestSsh *ssh, int what, const char *methods)
{
	return libssh2_session_method_pref(ssh->session, what, methods) == 0;
}

void
trident_ingest_ssh_begin_handshake(TridentIngestSsh *ssh)
{
	ssh->session = libssh2_session_init();
	if (!ssh->session)
	{
		trident_ingest_ssh_fail(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT, "out of memory");
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
		ssh->phase = TRIDENT_INGEST_FAILED;
		if (ssh->failure.kind != TRIDENT_INGEST_FAILURE_NONE)
			return;				/* the keys that it has shown are not pinned */
		trident_ingest_fail(&ssh->failure, TRIDENT_INGEST_FAILURE_PERMANENT,
							ERRCODE_FEATURE_NOT_SUPPORTED,
							"libssh2 %s cannot use host keys of type \"%s\"",
							libssh2_version(0), ssh->key_types ? ssh->key_types : HOST_KEY_METHODS);
		trident_ingest_fail_hint(&ssh->failure, "Pin an ed25519 host key: trident_sftp_host_key() shows those of a server.");
		return;
	}
	trident_ingest_ssh_enter(ssh, TRIDENT_INGEST_HANDSHAKE);
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
			/* It has shown all its keys, and none is pinned: said already. */
			if (ssh->failure.kind != TRIDENT_INGEST_FAILURE_NONE)
				break;
			trident_ingest_fail(&ssh->failure, TRIDENT_INGEST_FAILURE_PERMANENT,
								ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
								"could not agree on encryption with SFTP server \"%s\" port %d: %s",
								target->host, target->port, trident_ingest_ssh_error(ssh));
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
			trident_ingest_ssh_fail(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT,
									trident_ingest_ssh_error(ssh));
			return;
	}
	ssh->phase = TRIDENT_INGEST_FAILED;
}

/*
 * The key is not the pinned one.  Where the pin names no type, the server may
 * have that one too, of a type further down the list: connect again for it.
 */
static void
refuse_host_key(TridentIngestSsh *ssh)
{
	const char *others = NULL;

	if (ssh->target->host_key && !ssh->is_type_pinned)
		others = trident_ingest_host_key_types_after(ssh->key_types, ssh->key_type);
	if (!others)
	{
		ssh->phase = TRIDENT_INGEST_FAILED;
		return;
	}
	ssh->key_types = MemoryContextStrdup(ssh->context, others);
	trident_ingest_ssh_release(ssh);
	trident_ingest_ssh_try(ssh);
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
		trident_ingest_ssh_fail(ssh, TRIDENT_INGEST_FAILURE_PERMANENT, "it showed no host key that can be read");
		return false;
	}
	trident_ingest_fingerprint((const uint8 *) digest, ssh->fingerprint);
	if (target->user == NULL ||
		(!unknown &&
		 trident_ingest_host_key_matches(target->host_key, (const uint8 *) key,
										 length, ssh->fingerprint)))
	{
		ssh->failure.kind = TRIDENT_INGEST_FAILURE_NONE;
		return true;
	}
	if (ssh->failure.kind != TRIDENT_INGEST_FAILURE_NONE)
		return false;			/* the first key of several is told of */

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
	return false;
}

bool
trident_ingest_ssh_step_handshake(TridentIngestSsh *ssh)
{
	int			rc = libssh2_session_handshake(ssh->session, ssh->sock);

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return false;
	if (rc != 0)
		fail_handshake(ssh, rc);
	else if (check_host_key(ssh))
	{
		trident_ingest_ssh_enter(ssh, ssh->target->user ? TRIDENT_INGEST_LOGIN :
								 TRIDENT_INGEST_OPEN);
		ssh->login = ssh->target->private_key ? TRIDENT_INGEST_LOGIN_KEY :
			TRIDENT_INGEST_LOGIN_PASSWORD;
	}
	else if (ssh->phase != TRIDENT_INGEST_FAILED)
		refuse_host_key(ssh);
	return true;
}
