/*
 * meter.c
 *	  The CPU that others used while a measurement ran ("foreign", in cores).
 *
 * A ratio measured on a shared machine says nothing without it.  Foreign is
 * what the whole machine was busy with (steal of the hypervisor included),
 * less this client, less the server: the postmaster with the children it has
 * reaped, and its living children.  Other sessions of the same server count
 * as ours.  Known only when the server runs on this machine and /proc can be
 * read; else the figure is "-".  Also here: what a backend itself used.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"

typedef struct ProcStat
{
	int			ppid;
	double		self_s;			/* user and system time */
	double		reaped_s;		/* the same of children waited for */
	bool		is_postgres;
} ProcStat;

static bool
read_proc(int pid, ProcStat *ps)
{
	char		path[64];
	char		line[1024];
	char	   *rest;
	unsigned long utime;
	unsigned long stime;
	long		cutime;
	long		cstime;
	double		hz = sysconf(_SC_CLK_TCK);
	FILE	   *f;
	bool		ok;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	ok = fgets(line, sizeof(line), f) != NULL;
	fclose(f);
	/* the name in parentheses may hold anything: fields start behind it */
	rest = ok ? strrchr(line, ')') : NULL;
	if (rest == NULL ||
		sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u"
			   " %lu %lu %ld %ld", &ps->ppid, &utime, &stime, &cutime,
			   &cstime) != 5)
		return false;
	ps->self_s = (utime + stime) / hz;
	ps->reaped_s = (cutime + cstime) / hz;
	ps->is_postgres = strstr(line, "(postgres)") != NULL;
	return true;
}

/* Busy seconds of all cores since boot. */
static double
machine_busy(void)
{
	unsigned long long user,
				nice,
				sys,
				irq,
				softirq,
				steal;
	FILE	   *f = fopen("/proc/stat", "r");
	int			got;

	if (f == NULL)
		return -1;
	got = fscanf(f, "cpu %llu %llu %llu %*u %*u %llu %llu %llu",
				 &user, &nice, &sys, &irq, &softirq, &steal);
	fclose(f);
	if (got != 6)
		return -1;
	return (double) (user + nice + sys + irq + softirq + steal) /
		sysconf(_SC_CLK_TCK);
}

/* CPU seconds of the server and of this client. */
static double
own_cpu(int postmaster)
{
	struct rusage ru;
	struct dirent *entry;
	DIR		   *dir = opendir("/proc");
	ProcStat	ps;
	double		sum;

	getrusage(RUSAGE_SELF, &ru);
	sum = ru.ru_utime.tv_sec + ru.ru_stime.tv_sec +
		(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1e-6;
	if (dir == NULL)
		return sum;
	while ((entry = readdir(dir)) != NULL)
	{
		int			pid = atoi(entry->d_name);

		if (pid <= 0 || !read_proc(pid, &ps))
			continue;
		if (pid == postmaster)
			sum += ps.self_s + ps.reaped_s;
		else if (ps.ppid == postmaster)
			sum += ps.self_s;
	}
	closedir(dir);
	return sum;
}

/* The parent of our backend, when that is a process of this machine. */
static int
find_postmaster(const PGconn *conn)
{
	const char *host = PQhost(conn);
	ProcStat	ps;

	if (host == NULL || (host[0] != '/' && strcmp(host, "localhost") != 0))
		return 0;
	if (!read_proc(PQbackendPID(conn), &ps) || !ps.is_postgres)
		return 0;
	return ps.ppid;
}

/*
 * CPU seconds that the backend of a connection has used, or -1 where it is
 * not a process of this machine.  The kernel counts them by the nanosecond,
 * and waiting for a core is not in them: on a busy machine this tells more
 * than the clock does.
 */
double
backend_cpu(const PGconn *conn)
{
	char		path[64];
	unsigned long long ran_ns;
	FILE	   *f;
	int			got;

	if (find_postmaster(conn) == 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/schedstat", PQbackendPID(conn));
	f = fopen(path, "r");
	if (f == NULL)
		return -1;
	got = fscanf(f, "%llu", &ran_ns);
	fclose(f);
	return got == 1 ? ran_ns * 1e-9 : -1;
}

/* Starts the clock and notes what everybody has used so far. */
void
meter_start(Meter *m, const PGconn *conn)
{
	m->postmaster = find_postmaster(conn);
	m->busy = machine_busy();
	m->own = m->postmaster ? own_cpu(m->postmaster) : 0;
	m->began = now_s();
}

/* Returns the seconds since start; foreign receives the figure or "-". */
double
meter_stop(Meter *m, char *foreign, size_t size)
{
	double		elapsed = now_s() - m->began;
	double		busy = machine_busy();
	double		cores;

	if (m->postmaster == 0 || m->busy < 0 || busy < 0)
	{
		snprintf(foreign, size, "-");
		return elapsed;
	}
	cores = ((busy - m->busy) - (own_cpu(m->postmaster) - m->own)) / elapsed;
	snprintf(foreign, size, "%.2f", cores > 0 ? cores : 0);
	return elapsed;
}
