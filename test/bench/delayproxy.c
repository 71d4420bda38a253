/*
 * delayproxy.c
 *	  A user-space TCP proxy that adds latency and, if asked, a bandwidth cap.
 *
 * It stands in for `tc netem` where the kernel lacks it: every byte a client sends reaches
 * the server DELAY ms later, and the other way round, so the round trip grows by twice that.
 * Bytes keep their order and are never held back by a late reader on another connection.
 *
 *   delayproxy -l [ADDR:]PORT -t [ADDR:]PORT [-d MS | -u MS -w MS] [-b KBIT] [-j MS]
 *              [-q KIB] [-o] [-r N] [-S FILE] [-v]
 *     -l   where to listen               (address defaults to 127.0.0.1)
 *     -t   where to connect              (address defaults to 127.0.0.1)
 *     -d   one-way delay, both ways, in ms; fractions allowed       (default 0)
 *     -u   one-way delay client -> server      -w   server -> client
 *     -b   cap per direction in kbit/s, shared by all connections   (default: none)
 *     -j   add up to MS of uniform jitter per chunk; order is kept  (default 0)
 *     -q   most bytes held per connection and direction, in KiB     (default 4096)
 *          it plays the part of the TCP window: rate <= queue / delay
 *     -o   do not delay connection set-up. By default a SYN costs a round trip too:
 *          a connection's first bytes are held back for one extra client->server->client trip.
 *     -r   reset (RST) every connection after N bytes from the server, to test failures
 *     -R   write the port in use to this file (with -l 0, the kernel chooses)
 *     -S   on SIGUSR1 and at exit, append one line of counters to FILE
 *     -v   say what happens
 *
 * One thread, epoll, timerfd; no dependencies beyond Linux and libc.
 *   cc -O2 -Wall -Wextra -o delayproxy delayproxy.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define READ_CHUNK 65536

typedef uint64_t ns_t;

struct chunk
{
	struct chunk *next;
	ns_t due; /* when it may be written to the far side */
	uint32_t len;
	uint32_t off;
	int eof; /* carries no bytes: a FIN in its place in the stream */
	unsigned char data[];
};

struct conn;

/* one direction of one connection: src -> queue -> dst */
struct pipe_dir
{
	struct conn *conn;
	int dir; /* 0 client->server, 1 server->client */
	int src, dst;
	struct chunk *head, *tail;
	size_t queued;
	ns_t last_due; /* order: no chunk is due before its forerunner */
	ns_t heap_due; /* key in the timer heap; 0 when not in it */
	size_t heap_pos;
	int eof_seen; /* src said FIN */
	int eof_sent;
	int want_write; /* dst would block */
};

/* what epoll hands back: which socket of which connection */
struct side
{
	struct conn *conn;
	int is_server;
	uint32_t mask; /* events asked for now */
};

struct conn
{
	int cfd, sfd;
	struct side cs, ss;
	struct pipe_dir d[2];
	ns_t born;
	int connecting;
	int dead;
	uint64_t from_server;
	struct conn *next_dead;
};

static int ep = -1, lfd = -1, tfd = -1, sigfd = -1;
static struct sockaddr_in listen_at, target;
static ns_t delay[2];
static ns_t jitter;
static double bytes_per_ns; /* 0: no cap */
static ns_t wire_free[2];	/* when the capped wire is next free, per direction */
static size_t queue_max = 4096u << 10;
static int pay_connect = 1, verbose;
static uint64_t reset_after;
static const char *stats_file, *port_file;
static struct conn *graveyard;
static uint64_t n_conn, n_open, n_peak, n_bytes[2], n_chunks[2], n_failed;

static struct pipe_dir **heap;
static size_t heap_n, heap_cap;

static ns_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ns_t)ts.tv_sec * 1000000000u + (ns_t)ts.tv_nsec;
}

static void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("delayproxy: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

/* ---- binary heap of directions, keyed by the due time of their first chunk ---- */

static void
heap_put(size_t i, struct pipe_dir *p)
{
	heap[i] = p;
	p->heap_pos = i;
}

static void
heap_up(size_t i)
{
	struct pipe_dir *p = heap[i];

	while (i > 0 && heap[(i - 1) / 2]->heap_due > p->heap_due)
	{
		heap_put(i, heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(i, p);
}

static void
heap_down(size_t i)
{
	struct pipe_dir *p = heap[i];

	for (;;)
	{
		size_t c = 2 * i + 1;

		if (c >= heap_n)
			break;
		if (c + 1 < heap_n && heap[c + 1]->heap_due < heap[c]->heap_due)
			c++;
		if (heap[c]->heap_due >= p->heap_due)
			break;
		heap_put(i, heap[c]);
		i = c;
	}
	heap_put(i, p);
}

static void
heap_remove(struct pipe_dir *p)
{
	size_t i = p->heap_pos;

	if (p->heap_due == 0)
		return;
	p->heap_due = 0;
	if (--heap_n == i)
		return;
	heap_put(i, heap[heap_n]);
	heap_up(i);
	heap_down(heap[i]->heap_pos);
}

static void
heap_set(struct pipe_dir *p, ns_t due)
{
	if (p->heap_due == due)
		return;
	heap_remove(p);
	if (heap_n == heap_cap)
	{
		heap_cap = heap_cap ? heap_cap * 2 : 64;
		heap = realloc(heap, heap_cap * sizeof *heap);
		if (!heap)
			die("out of memory");
	}
	p->heap_due = due;
	heap_put(heap_n, p);
	heap_up(heap_n++);
}

/* ---- connections ---- */

static void
watch(int fd, struct side *s, uint32_t mask)
{
	struct epoll_event ev = {.events = mask, .data.ptr = s};

	if (s->mask == mask)
		return;
	if (epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev) == 0)
		s->mask = mask;
}

/* ask for exactly the events that can lead to work */
static void
rewatch(struct conn *c)
{
	uint32_t cm = 0, sm = 0;

	if (c->dead)
		return;
	if (c->connecting)
	{
		watch(c->cfd, &c->cs, 0);
		watch(c->sfd, &c->ss, EPOLLOUT);
		return;
	}
	if (!c->d[0].eof_seen && c->d[0].queued < queue_max)
		cm |= EPOLLIN;
	if (!c->d[1].eof_seen && c->d[1].queued < queue_max)
		sm |= EPOLLIN;
	if (c->d[1].want_write)
		cm |= EPOLLOUT;
	if (c->d[0].want_write)
		sm |= EPOLLOUT;
	watch(c->cfd, &c->cs, cm);
	watch(c->sfd, &c->ss, sm);
}

static void
conn_close(struct conn *c, int reset)
{
	if (c->dead)
		return;
	c->dead = 1;
	if (reset)
	{
		struct linger lg = {1, 0};

		setsockopt(c->cfd, SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
		setsockopt(c->sfd, SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
	}
	close(c->cfd);
	close(c->sfd);
	for (int i = 0; i < 2; i++)
	{
		heap_remove(&c->d[i]);
		while (c->d[i].head)
		{
			struct chunk *k = c->d[i].head;

			c->d[i].head = k->next;
			free(k);
		}
	}
	n_open--;
	/* epoll may still hold events for it in this round: free it after the round */
	c->next_dead = graveyard;
	graveyard = c;
}

/* when a chunk of len bytes that arrives now may leave on the far side */
static ns_t
due_time(struct pipe_dir *p, size_t len)
{
	ns_t now = now_ns(), sent = now, due;

	if (bytes_per_ns > 0 && len > 0)
	{
		/* the chunk's last byte leaves the wire's near end when all before it have */
		if (wire_free[p->dir] < now)
			wire_free[p->dir] = now;
		wire_free[p->dir] += (ns_t)((double)len / bytes_per_ns);
		sent = wire_free[p->dir];
	}
	due = sent + delay[p->dir];
	if (jitter)
		due += (ns_t)((double)jitter * ((double)random() / RAND_MAX));
	/* the handshake's round trip: nothing passes before it would have been done */
	if (pay_connect && due < p->conn->born + delay[0] + delay[1] + delay[p->dir])
		due = p->conn->born + delay[0] + delay[1] + delay[p->dir];
	if (due < p->last_due)
		due = p->last_due;
	p->last_due = due;
	return due;
}

static void
enqueue(struct pipe_dir *p, struct chunk *k)
{
	k->next = NULL;
	k->off = 0;
	k->due = due_time(p, k->len);
	if (p->tail && p->head)
		p->tail->next = k;
	else
		p->head = k;
	p->tail = k;
	p->queued += k->len;
	if (!p->want_write)
		heap_set(p, p->head->due ? p->head->due : 1);
}

/* write what is due; returns -1 when the connection is gone */
static int
flush_dir(struct pipe_dir *p)
{
	ns_t now = now_ns();

	p->want_write = 0;
	while (p->head && p->head->due <= now)
	{
		struct chunk *k = p->head;

		if (k->eof)
		{
			shutdown(p->dst, SHUT_WR);
			p->eof_sent = 1;
		}
		while (k->off < k->len)
		{
			ssize_t n = send(p->dst, k->data + k->off, k->len - k->off, MSG_NOSIGNAL);

			if (n < 0)
			{
				if (errno == EINTR)
					continue;
				if (errno == EAGAIN)
				{
					p->want_write = 1;
					heap_remove(p);
					return 0;
				}
				return -1;
			}
			k->off += (uint32_t)n;
			p->queued -= (size_t)n;
			n_bytes[p->dir] += (uint64_t)n;
			if (p->dir == 1)
			{
				p->conn->from_server += (uint64_t)n;
				if (reset_after && p->conn->from_server >= reset_after)
				{
					conn_close(p->conn, 1);
					return 1;
				}
			}
		}
		n_chunks[p->dir]++;
		p->head = k->next;
		free(k);
	}
	if (p->head)
		heap_set(p, p->head->due);
	else
	{
		p->tail = NULL;
		heap_remove(p);
	}
	return 0;
}

static int
fill_dir(struct pipe_dir *p)
{
	while (!p->eof_seen && p->queued < queue_max)
	{
		struct chunk *k = malloc(sizeof *k + READ_CHUNK);
		ssize_t n;

		if (!k)
			die("out of memory");
		n = recv(p->src, k->data, READ_CHUNK, 0);
		if (n < 0)
		{
			int e = errno;

			free(k);
			if (e == EINTR)
				continue;
			return e == EAGAIN ? 0 : -1;
		}
		k->len = (uint32_t)n;
		k->eof = n == 0;
		if (n < READ_CHUNK)
		{
			/* small packets are the common case: do not keep 64 KiB for each */
			struct chunk *s = realloc(k, sizeof *k + (size_t)n);

			if (s)
				k = s;
		}
		p->eof_seen = k->eof;
		enqueue(p, k);
		if (n > 0 && n < READ_CHUNK)
			return 0;
	}
	return 0;
}

static void
conn_step(struct conn *c, int rc)
{
	if (c->dead)
		return;
	if (rc < 0)
		conn_close(c, 1);
	else if (c->d[0].eof_sent && c->d[1].eof_sent)
		conn_close(c, 0);
	else
		rewatch(c);
}

static void
accept_all(void)
{
	for (;;)
	{
		int one = 1, fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), s;
		struct conn *c;
		struct epoll_event ev = {0};

		if (fd < 0)
		{
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			if (errno != EAGAIN)
				perror("delayproxy: accept");
			return;
		}
		s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (s < 0)
		{
			perror("delayproxy: socket");
			close(fd);
			n_failed++;
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		if (connect(s, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS)
		{
			if (verbose)
				perror("delayproxy: connect");
			close(s);
			close(fd);
			n_failed++;
			continue;
		}
		c = calloc(1, sizeof *c);
		if (!c)
			die("out of memory");
		c->cfd = fd;
		c->sfd = s;
		c->born = now_ns();
		c->connecting = 1;
		c->cs.conn = c->ss.conn = c;
		c->ss.is_server = 1;
		for (int i = 0; i < 2; i++)
		{
			c->d[i].conn = c;
			c->d[i].dir = i;
			c->d[i].src = i ? s : fd;
			c->d[i].dst = i ? fd : s;
		}
		ev.data.ptr = &c->cs;
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
		ev.events = c->ss.mask = EPOLLOUT;
		ev.data.ptr = &c->ss;
		epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev);
		n_conn++;
		if (++n_open > n_peak)
			n_peak = n_open;
	}
}

static void
socket_event(struct side *sd, uint32_t ev)
{
	struct conn *c = sd->conn;
	struct pipe_dir *in = &c->d[sd->is_server], *out = &c->d[!sd->is_server];
	int rc = 0;

	if (c->dead)
		return;
	if (c->connecting)
	{
		int err = 0;
		socklen_t sl = sizeof err;

		if (!sd->is_server)
		{
			if (ev & (EPOLLHUP | EPOLLERR))
				conn_close(c, 1);
			return;
		}
		getsockopt(c->sfd, SOL_SOCKET, SO_ERROR, &err, &sl);
		if (err)
		{
			if (verbose)
				fprintf(stderr, "delayproxy: connect: %s\n", strerror(err));
			n_failed++;
			conn_close(c, 1);
			return;
		}
		c->connecting = 0;
		rewatch(c);
		return;
	}
	if (ev & EPOLLERR)
		rc = -1;
	if (rc == 0 && (ev & (EPOLLIN | EPOLLHUP)) && !in->eof_seen && in->queued < queue_max)
		rc = fill_dir(in);
	if (rc == 0 && !c->dead && (ev & EPOLLOUT))
		rc = flush_dir(out);
	/* both ways shut yet bytes still queued: a hang-up would be told again and again */
	if (rc == 0 && !c->dead && (ev & EPOLLHUP) && in->eof_seen && out->head)
		rc = -1;
	conn_step(c, rc);
}

static void
run_due(void)
{
	ns_t now = now_ns();
	struct itimerspec it = {0};

	while (heap_n && heap[0]->heap_due <= now)
	{
		struct pipe_dir *p = heap[0];
		struct conn *c = p->conn;

		conn_step(c, flush_dir(p));
	}
	if (heap_n)
	{
		it.it_value.tv_sec = (time_t)(heap[0]->heap_due / 1000000000u);
		it.it_value.tv_nsec = (long)(heap[0]->heap_due % 1000000000u);
	}
	timerfd_settime(tfd, TFD_TIMER_ABSTIME, &it, NULL);
}

static void
report(FILE *f)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	fprintf(
		f,
		"{\"connections\": %llu, \"open\": %llu, \"peak\": %llu, \"failed\": %llu, "
		"\"bytes_up\": %llu, "
		"\"bytes_down\": %llu, \"chunks_up\": %llu, \"chunks_down\": %llu, \"cpu_s\": %.3f}\n",
		(unsigned long long)n_conn, (unsigned long long)n_open, (unsigned long long)n_peak,
		(unsigned long long)n_failed, (unsigned long long)n_bytes[0],
		(unsigned long long)n_bytes[1], (unsigned long long)n_chunks[0],
		(unsigned long long)n_chunks[1],
		ru.ru_utime.tv_sec + ru.ru_stime.tv_sec +
			(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6);
	fflush(f);
}

static void
report_to_file(void)
{
	FILE *f;

	if (!stats_file || !(f = fopen(stats_file, "a")))
		return;
	report(f);
	fclose(f);
}

static struct sockaddr_in
parse_addr(const char *s)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	char host[64] = "127.0.0.1";
	const char *colon = strrchr(s, ':');
	char *end;
	long port;

	if (colon)
	{
		if ((size_t)(colon - s) >= sizeof host)
			die("bad address: %s", s);
		if (colon > s)
		{
			memcpy(host, s, (size_t)(colon - s));
			host[colon - s] = 0;
		}
		s = colon + 1;
	}
	port = strtol(s, &end, 10);
	if (*end || end == s || port < 0 || port > 65535 ||
		inet_pton(AF_INET, host, &a.sin_addr) != 1)
		die("bad address: %s", s);
	a.sin_port = htons((uint16_t)port);
	return a;
}

static double
parse_num(const char *s)
{
	char *end;
	double v = strtod(s, &end);

	if (*end || end == s || !(v >= 0) || v > 1e12)
		die("bad number: %s", s);
	return v;
}

int
main(int argc, char **argv)
{
	int opt, one = 1, have_l = 0, have_t = 0;
	struct rlimit rl;
	sigset_t ss;
	socklen_t sl = sizeof listen_at;
	struct epoll_event ev = {.events = EPOLLIN};

	while ((opt = getopt(argc, argv, "l:t:d:u:w:b:j:q:or:R:S:v")) != -1)
		switch (opt)
		{
		case 'l':
			listen_at = parse_addr(optarg);
			have_l = 1;
			break;
		case 't':
			target = parse_addr(optarg);
			have_t = 1;
			break;
		case 'd':
			delay[0] = delay[1] = (ns_t)(parse_num(optarg) * 1e6);
			break;
		case 'u':
			delay[0] = (ns_t)(parse_num(optarg) * 1e6);
			break;
		case 'w':
			delay[1] = (ns_t)(parse_num(optarg) * 1e6);
			break;
		case 'b':
			bytes_per_ns = parse_num(optarg) * 1000.0 / 8.0 / 1e9;
			break;
		case 'j':
			jitter = (ns_t)(parse_num(optarg) * 1e6);
			break;
		case 'q':
			queue_max = (size_t)parse_num(optarg) << 10;
			break;
		case 'o':
			pay_connect = 0;
			break;
		case 'r':
			reset_after = (uint64_t)parse_num(optarg);
			break;
		case 'R':
			port_file = optarg;
			break;
		case 'S':
			stats_file = optarg;
			break;
		case 'v':
			verbose = 1;
			break;
		default:
			die("usage: delayproxy -l [ADDR:]PORT -t [ADDR:]PORT [-d MS | -u MS -w MS] [-b "
				"KBIT] [-j MS] "
				"[-q KIB] [-o] [-r N] [-R FILE] [-S FILE] [-v]");
		}
	if (!have_l || !have_t || optind < argc || queue_max < READ_CHUNK)
		die("-l and -t are needed, and -q must be at least 64");

	/* two descriptors per connection */
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0)
	{
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ss);
	sigaddset(&ss, SIGINT);
	sigaddset(&ss, SIGTERM);
	sigaddset(&ss, SIGUSR1);
	sigprocmask(SIG_BLOCK, &ss, NULL);
	sigfd = signalfd(-1, &ss, SFD_CLOEXEC);

	ep = epoll_create1(EPOLL_CLOEXEC);
	tfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	lfd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (ep < 0 || tfd < 0 || lfd < 0 || sigfd < 0)
		die("set-up: %s", strerror(errno));
	setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(lfd, (struct sockaddr *)&listen_at, sizeof listen_at) < 0 || listen(lfd, 1024) < 0)
		die("listen: %s", strerror(errno));
	getsockname(lfd, (struct sockaddr *)&listen_at, &sl);
	if (port_file)
	{
		FILE *f = fopen(port_file, "w");

		if (!f)
			die("%s: %s", port_file, strerror(errno));
		fprintf(f, "%d\n", ntohs(listen_at.sin_port));
		fclose(f);
	}
	ev.data.ptr = &lfd;
	epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev);
	ev.data.ptr = &tfd;
	epoll_ctl(ep, EPOLL_CTL_ADD, tfd, &ev);
	ev.data.ptr = &sigfd;
	epoll_ctl(ep, EPOLL_CTL_ADD, sigfd, &ev);
	if (verbose)
		fprintf(stderr, "delayproxy: port %d, up %.3f ms, down %.3f ms\n",
				ntohs(listen_at.sin_port), delay[0] / 1e6, delay[1] / 1e6);

	for (;;)
	{
		struct epoll_event evs[256];
		int n = epoll_wait(ep, evs, 256, -1);

		if (n < 0 && errno != EINTR)
			die("epoll_wait: %s", strerror(errno));
		for (int i = 0; i < n; i++)
		{
			void *p = evs[i].data.ptr;

			if (p == &lfd)
				accept_all();
			else if (p == &tfd)
			{
				uint64_t x;

				if (read(tfd, &x, sizeof x) < 0 && errno != EAGAIN)
					die("timer: %s", strerror(errno));
			}
			else if (p == &sigfd)
			{
				struct signalfd_siginfo si;

				if (read(sigfd, &si, sizeof si) == (ssize_t)sizeof si)
				{
					report_to_file();
					if (si.ssi_signo != SIGUSR1)
					{
						if (verbose)
							report(stderr);
						return 0;
					}
				}
			}
			else
				socket_event(p, evs[i].events);
		}
		run_due();
		while (graveyard)
		{
			struct conn *c = graveyard;

			graveyard = c->next_dead;
			free(c);
		}
	}
}
