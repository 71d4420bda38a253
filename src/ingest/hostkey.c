/*
 * hostkey.c
 *	  Host keys: comparing what a server shows with what is pinned.
 *
 * A pin is a list, its entries separated by commas or line feeds.  Each entry
 * is words of which one is a fingerprint ("SHA256:...") or a public key in
 * base64 after its type, so that output of ssh-keygen -l, a line of a .pub
 * file and a line of known_hosts, with one host or several, all serve.  An
 * entry that has neither, or a marker such as @revoked, is refused: what
 * cannot be read must not be taken for "anything goes".
 */
#include "postgres.h"

#include "common/base64.h"
#include "lib/stringinfo.h"

#include "ingest/hostkey.h"
#include "ingest/ssh.h"

#define FINGERPRINT_PREFIX "SHA256:"

/* One entry of a pinned list: words within the list's text. */
typedef struct Entry
{
	const char *type;			/* name of the key's type, or NULL */
	size_t		type_length;
	const char *key;			/* fingerprint or base64, or NULL */
	size_t		key_length;
	bool		is_fingerprint;
	bool		is_marked;		/* has a word that begins with @ */
} Entry;

void
trident_ingest_fingerprint(const uint8 *digest, char *fingerprint)
{
	size_t		prefix = strlen(FINGERPRINT_PREFIX);
	int			length;

	memcpy(fingerprint, FINGERPRINT_PREFIX, prefix);
	length = pg_b64_encode((const void *) digest, 32, fingerprint + prefix,
						   TRIDENT_INGEST_FINGERPRINT_SIZE - (int) prefix - 1);
	Assert(length > 0);

	/* As OpenSSH shows it: without padding. */
	while (length > 0 && fingerprint[prefix + length - 1] == '=')
		length--;
	fingerprint[prefix + length] = '\0';
}

bool
trident_ingest_key_type(const uint8 *key, size_t length, char *type)
{
	size_t		n;

	if (length < 4)
		return false;
	n = (size_t) key[0] << 24 | (size_t) key[1] << 16 | (size_t) key[2] << 8 | key[3];
	if (n == 0 || n > length - 4 || n >= TRIDENT_INGEST_KEY_TYPE_SIZE)
		return false;
	for (size_t i = 0; i < n; i++)
	{
		if (key[4 + i] <= ' ' || key[4 + i] > '~')
			return false;
		type[i] = (char) key[4 + i];
	}
	type[n] = '\0';
	return true;
}

/* Does a word name a type of key? */
static bool
names_type(const char *word, size_t length)
{
	static const char *const prefixes[] = {"ssh-", "ecdsa-sha2-", "sk-", "rsa-sha2-"};

	for (size_t i = 0; i < lengthof(prefixes); i++)
		if (length > strlen(prefixes[i]) &&
			memcmp(word, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/*
 * The length of a list of hosts of known_hosts, "nas,192.0.2.7", if one begins
 * here: a type of key comes behind it.  0: none does.
 */
static size_t
hosts_length(const char *p)
{
	size_t		length = strcspn(p, " \t\r\n");
	const char *next = p + length + strspn(p + length, " \t");
	const char *comma = memchr(p, ',', length);
	const char *fingerprint = strstr(p, FINGERPRINT_PREFIX);

	/* A fingerprint among them would be an entry of its own. */
	if (!comma || comma == p || p[length - 1] == ',' || next == p + length ||
		(fingerprint && fingerprint < p + length) ||
		!names_type(next, strcspn(next, " \t\r\n,")))
		return 0;
	return length;
}

/*
 * Read the entry that begins at *at and move *at behind it; false at the end.
 * Entries without words are passed over.
 */
static bool
next_entry(const char **at, Entry *entry)
{
	const char *p = *at;

	memset(entry, 0, sizeof(*entry));
	for (;;)
	{
		size_t		length;

		p += strspn(p, " \t\r");
		if (*p == '\0' || *p == ',' || *p == '\n')
		{
			bool		has_words = entry->type || entry->key || entry->is_marked;

			*at = (*p == '\0') ? p : p + 1;
			if (has_words || *p == '\0')
				return has_words;
			p++;
			continue;
		}
		length = !entry->type && !entry->key && !names_type(p, strcspn(p, " \t\r\n,")) ?
			hosts_length(p) : 0;
		if (length > 0)
		{
			p += length;
			continue;
		}
		length = strcspn(p, " \t\r\n,");
		if (length > strlen(FINGERPRINT_PREFIX) &&
			memcmp(p, FINGERPRINT_PREFIX, strlen(FINGERPRINT_PREFIX)) == 0)
		{
			entry->key = p;
			entry->key_length = length;
			entry->is_fingerprint = true;
		}
		else if (*p == '@')
			entry->is_marked = true;
		else if (!entry->type && names_type(p, length))
		{
			entry->type = p;
			entry->type_length = length;
		}
		else if (entry->type && !entry->key)
		{
			entry->key = p;
			entry->key_length = length;
		}
		else if (!entry->type && !entry->key)
		{
			/* A host name of known_hosts; counts only with a key behind it. */
			const char *rest = p + length + strspn(p + length, " \t");

			if (*rest == '\0' || *rest == '\r' || *rest == '\n' || *rest == ',')
				entry->is_marked = true;
		}
		p += length;
	}
}

/* Decode base64, with or without its padding; palloc'd; -1: it is none. */
static int
decode(const char *word, size_t length, uint8 **bytes)
{
	char	   *padded = palloc(length + 4);
	int			size;

	while (length > 0 && word[length - 1] == '=')
		length--;
	memcpy(padded, word, length);
	while (length % 4 != 0)
		padded[length++] = '=';
	size = pg_b64_dec_len((int) length) + 1;
	*bytes = palloc(size);
	return pg_b64_decode(padded, (int) length, (void *) *bytes, size);
}

/* Does an entry's fingerprint have the 32 bytes of one? */
static bool
is_fingerprint(const Entry *entry)
{
	size_t		prefix = strlen(FINGERPRINT_PREFIX);
	uint8	   *bytes;

	return decode(entry->key + prefix, entry->key_length - prefix, &bytes) == 32;
}

/* Is an entry's key one, of the type that it names? */
static bool
is_key(const Entry *entry)
{
	char		type[TRIDENT_INGEST_KEY_TYPE_SIZE];
	uint8	   *bytes;
	int			length = decode(entry->key, entry->key_length, &bytes);

	return length > 0 && trident_ingest_key_type(bytes, (size_t) length, type) &&
		strlen(type) == entry->type_length && memcmp(type, entry->type, entry->type_length) == 0;
}

bool
trident_ingest_host_key_is_valid(const char *pinned)
{
	const char *at = pinned;
	bool		found = false;
	Entry		entry;

	while (next_entry(&at, &entry))
	{
		if (entry.is_marked || !entry.key)
			return false;
		if (entry.is_fingerprint ? !is_fingerprint(&entry) : !is_key(&entry))
			return false;
		found = true;
	}
	return found;
}

/* Are two words in base64 equal, padding apart? */
static bool
same_base64(const char *word, size_t length, const char *other)
{
	size_t		other_length = strlen(other);

	while (length > 0 && word[length - 1] == '=')
		length--;
	while (other_length > 0 && other[other_length - 1] == '=')
		other_length--;
	return length == other_length && memcmp(word, other, length) == 0;
}

bool
trident_ingest_host_key_matches(const char *pinned, const uint8 *key,
								size_t length, const char *fingerprint)
{
	const char *at = pinned;
	int			size = pg_b64_enc_len((int) length) + 1;
	char	   *base64 = palloc(size);
	int			written = pg_b64_encode((const void *) key, (int) length, base64, size - 1);
	bool		matches = false;
	Entry		entry;

	base64[Max(written, 0)] = '\0';
	while (!matches && next_entry(&at, &entry))
		matches = !entry.is_marked && entry.key &&
			same_base64(entry.key, entry.key_length,
						entry.is_fingerprint ? fingerprint : base64);
	pfree(base64);
	return matches;
}

char *
trident_ingest_host_key_types(const char *pinned)
{
	const char *at = pinned;
	StringInfoData types;
	Entry		entry;

	initStringInfo(&types);
	while (next_entry(&at, &entry))
	{
		if (!entry.type)
		{
			pfree(types.data);
			return NULL;
		}
		if (types.len > 0)
			appendStringInfoChar(&types, ',');
		/* An RSA key is one key, whichever way it signs. */
		if (entry.type_length == 7 && memcmp(entry.type, "ssh-rsa", 7) == 0)
			appendStringInfoString(&types, "rsa-sha2-512,rsa-sha2-256,ssh-rsa");
		else
			appendBinaryStringInfo(&types, entry.type, (int) entry.type_length);
	}
	return types.data;
}

bool
trident_ingest_key_is_rsa(const char *private_key)
{
	const char *begin = strstr(private_key, "-----BEGIN OPENSSH PRIVATE KEY-----");
	char		packed[256];
	uint8		bytes[256];
	int			n = 0;
	int			length;

	if (strstr(private_key, "BEGIN RSA PRIVATE KEY"))
		return true;
	if (!begin)
		return false;

	/* The public key stands in front, open even where the rest is encrypted. */
	for (const char *p = strchr(begin, '\n'); p && *p && n < 252; p++)
		if (strchr(" \t\r\n", *p) == NULL)
			packed[n++] = *p;
	n -= n % 4;
	length = pg_b64_decode(packed, n, (void *) bytes, sizeof(bytes));
	for (int i = 0; i + 7 <= length; i++)
		if (memcmp(bytes + i, "ssh-rsa", 7) == 0)
			return true;
	return false;
}
