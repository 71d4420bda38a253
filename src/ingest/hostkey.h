/*
 * hostkey.h
 *	  Host keys: comparing what a server shows with what is pinned.
 */
#ifndef TRIDENT_INGEST_HOSTKEY_H
#define TRIDENT_INGEST_HOSTKEY_H

/* Room for a fingerprint: "SHA256:", 43 characters and the end. */
#define TRIDENT_INGEST_FINGERPRINT_SIZE 64

/* Room for the name of a type of key. */
#define TRIDENT_INGEST_KEY_TYPE_SIZE 64

/* Write "SHA256:..." of a digest of 32 bytes. */
extern void trident_ingest_fingerprint(const uint8 *digest, char *fingerprint);

/* Write the type that a public key begins with; false: it is no key. */
extern bool trident_ingest_key_type(const uint8 *key, size_t length, char *type);

/* Is the key, of this fingerprint, one of the pinned ones? */
extern bool trident_ingest_host_key_matches(const char *pinned, const uint8 *key,
											size_t length, const char *fingerprint);

/*
 * The types that a pinned list names, in libssh2's form (separated by
 * commas), palloc'd; NULL when an entry names none, so that any may come.
 */
extern char *trident_ingest_host_key_types(const char *pinned);

/* Does a private key in text form hold an RSA key? */
extern bool trident_ingest_key_is_rsa(const char *private_key);

#endif							/* TRIDENT_INGEST_HOSTKEY_H */
