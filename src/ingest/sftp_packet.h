/*
 * sftp_packet.h
 *	  What the two files of the SFTP client share; see sftp.h.
 *
 * sftp.c keeps requests and buffers, sftp_packet.c reads what a server sent.
 */
#ifndef TRIDENT_INGEST_SFTP_PACKET_H
#define TRIDENT_INGEST_SFTP_PACKET_H

#include "ingest/sftp.h"

/* Packet types that nobody else meets. */
#define TRIDENT_INGEST_FXP_INIT 1
#define TRIDENT_INGEST_FXP_VERSION 2
#define TRIDENT_INGEST_FXP_OPEN 3
#define TRIDENT_INGEST_FXP_READ 5
#define TRIDENT_INGEST_FXP_EXTENDED 200
#define TRIDENT_INGEST_FXP_EXTENDED_REPLY 201

/* A packet, or a string in one, that is being read. */
typedef struct TridentIngestPacket
{
	const uint8 *at;
	const uint8 *end;
	bool		is_short;		/* something was wanted that is not there */
} TridentIngestPacket;

/* The next number; 0, and the packet marked as short, where there is none. */
extern uint32 trident_ingest_packet_uint32(TridentIngestPacket *reader);
extern uint64 trident_ingest_packet_uint64(TridentIngestPacket *reader);

/* May a request of this type have such an answer? */
extern bool trident_ingest_packet_answers(uint8 request, uint8 reply);

/*
 * Read the body of an answer whose type is set, to a request for so many
 * bytes (READ), checking all of it; what is wrong, or NULL.  What the answer
 * points to is the packet's.
 */
extern const char *trident_ingest_packet_parse(TridentIngestPacket *reader, uint32 wanted,
											   TridentIngestReply *reply);

#endif							/* TRIDENT_INGEST_SFTP_PACKET_H */
