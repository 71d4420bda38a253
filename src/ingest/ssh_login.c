/*
 * ssh_login.c
 *	  The user of an SSH connection, by private key, password, or
 *	  keyboard-interactive where a server asks for the password that way.
 *
 * No secret gets into a failure's text: only what kind of it was refused.
 */
#include "postgres.h"

#include "ingest/ssh_step.h"

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
	bool		by_key = ssh->login == TRIDENT_INGEST_LOGIN_KEY;
	bool		is_refused = rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED ||
		rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED;

	if (rc == LIBSSH2_ERROR_SOCKET_SEND || rc == LIBSSH2_ERROR_SOCKET_RECV ||
		rc == LIBSSH2_ERROR_SOCKET_DISCONNECT || rc == LIBSSH2_ERROR_TIMEOUT ||
		(!by_key && !is_refused && rc != LIBSSH2_ERROR_PASSWORD_EXPIRED))
	{
		trident_ingest_ssh_fail(ssh, TRIDENT_INGEST_FAILURE_TRANSIENT,
								trident_ingest_ssh_error(ssh));
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
		case TRIDENT_INGEST_LOGIN_KEY:
			return libssh2_userauth_publickey_frommemory(ssh->session, target->user,
														 user_length, NULL, 0,
														 target->private_key,
														 strlen(target->private_key),
														 target->passphrase);
		case TRIDENT_INGEST_LOGIN_PASSWORD:
			return libssh2_userauth_password_ex(ssh->session, target->user, user_length,
												password, (unsigned int) strlen(password), NULL);
		case TRIDENT_INGEST_LOGIN_KEYBOARD:
			*libssh2_session_abstract(ssh->session) = unconstify(char *, target->password);
			return libssh2_userauth_keyboard_interactive_ex(ssh->session, target->user,
															user_length, answer_questions);
		case TRIDENT_INGEST_LOGIN_LIST:
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
		ssh->login = TRIDENT_INGEST_LOGIN_KEYBOARD;
	else
		fail_login(ssh, LIBSSH2_ERROR_AUTHENTICATION_FAILED);
	return true;
}

bool
trident_ingest_ssh_step_login(TridentIngestSsh *ssh)
{
	int			rc;

	if (ssh->login == TRIDENT_INGEST_LOGIN_LIST)
		return list_methods(ssh);
	rc = log_in(ssh);
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return false;
	if (rc == 0)
		trident_ingest_ssh_enter(ssh, TRIDENT_INGEST_CHANNEL);
	else if (ssh->login == TRIDENT_INGEST_LOGIN_PASSWORD && ssh->target->password &&
			 rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED)
		ssh->login = TRIDENT_INGEST_LOGIN_LIST;
	else
		fail_login(ssh, rc);
	return true;
}
