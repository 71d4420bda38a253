/*
 * sftp-reference.c
 *	  A folder on an SFTP server as libssh2's own SFTP calls see it.
 *
 * usage: sftp-reference host port user public-key private-key folder
 *
 * The path that our own SFTP client is compared with.  One line a name, of the
 * folder and of all below it, folders first met first: path in hex, kind, size,
 * time of last change, permission bits in octal, content in hex; links are
 * not followed.  An ordinary blocking client, one call after another.
 */
#include <arpa/inet.h>
#include <libssh2.h>
#include <libssh2_sftp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static LIBSSH2_SESSION *session;

static void
die(const char *what)
{
	char	   *text = NULL;

	if (session)
		libssh2_session_last_error(session, &text, NULL, 0);
	fprintf(stderr, "sftp-reference: %s: %s\n", what, text ? text : "");
	exit(1);
}

static void
put_hex(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		printf("%02x", (unsigned char) bytes[i]);
}

static void
put_content(LIBSSH2_SFTP *sftp, const char *path)
{
	LIBSSH2_SFTP_HANDLE *file = libssh2_sftp_open(sftp, path, LIBSSH2_FXF_READ, 0);
	char		buffer[30000];
	ssize_t		n;

	if (!file)
		die(path);
	while ((n = libssh2_sftp_read(file, buffer, sizeof(buffer))) > 0)
		put_hex(buffer, (size_t) n);
	if (n < 0)
		die("read");
	libssh2_sftp_close(file);
}

static void
put_folder(LIBSSH2_SFTP *sftp, const char *folder)
{
	LIBSSH2_SFTP_HANDLE *handle = libssh2_sftp_opendir(sftp, folder);
	char		name[1024];
	LIBSSH2_SFTP_ATTRIBUTES attributes;
	ssize_t		n;

	if (!handle)
		die(folder);
	while ((n = libssh2_sftp_readdir(handle, name, sizeof(name) - 1, &attributes)) > 0)
	{
		char		path[4096];
		unsigned long mode = attributes.permissions;
		int			is_folder = LIBSSH2_SFTP_S_ISDIR(mode);
		int			is_file = LIBSSH2_SFTP_S_ISREG(mode);

		name[n] = '\0';
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if ((size_t) snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
			die("path is too long");
		put_hex(path, strlen(path));
		printf(" %s %llu %lu %04lo ", is_folder ? "folder" : is_file ? "file" :
			   LIBSSH2_SFTP_S_ISLNK(mode) ? "link" : "other",
			   (unsigned long long) attributes.filesize, attributes.mtime, mode & 07777);
		if (is_file)
			put_content(sftp, path);
		putchar('\n');
		if (is_folder)
			put_folder(sftp, path);
	}
	if (n < 0)
		die("list");
	libssh2_sftp_closedir(handle);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int			sock = socket(AF_INET, SOCK_STREAM, 0);
	LIBSSH2_SFTP *sftp;

	if (argc != 7)
		die("six arguments are needed");
	address.sin_port = htons((unsigned short) atoi(argv[2]));
	if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1 ||
		connect(sock, (struct sockaddr *) &address, sizeof(address)) != 0)
		die("no connection");
	if (libssh2_init(0) != 0 || !(session = libssh2_session_init()))
		die("no session");
	if (libssh2_session_handshake(session, sock) != 0)
		die("handshake");
	if (libssh2_userauth_publickey_fromfile(session, argv[3], argv[4], argv[5], NULL) != 0)
		die("login");
	sftp = libssh2_sftp_init(session);
	if (!sftp)
		die("sftp");
	put_folder(sftp, argv[6]);
	return 0;
}
