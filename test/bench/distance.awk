# distance.awk
#	  The table of test/bench/distance, from its lines of type, dimension,
#	  operator, side, nanoseconds and foreign CPU.  Operator "none" is the
#	  empty loop, taken off the others.

BEGIN { FS = "\t" }

{
	key = $1 FS $2 FS $3
	if ($3 != "none" && !seen[key]++)
		order[++n] = key
	v[key, $4, ++count[key, $4]] = $5 + 0
	sub(/^foreign=/, "", $6)
	foreign += $6
}

function median(key, side,	i, j, t, m, s) {
	m = count[key, side]
	for (i = 1; i <= m; i++) {
		t = v[key, side, i]
		for (j = i - 1; j > 0 && s[j] > t; j--)
			s[j + 1] = s[j]
		s[j + 1] = t
	}
	return m ? s[int((m + 1) / 2)] : 0
}

function cost(key, side,	part) {
	split(key, part, FS)
	return median(key, side) - median(part[1] FS part[2] FS "none", side)
}

END {
	printf("%-8s %5s %-4s %12s %12s %7s\n", "type", "dims", "op",
		   ours " ns", "pgvector ns", "ratio")
	for (i = 1; i <= n; i++) {
		split(order[i], part, FS)
		o = cost(order[i], "ours")
		p = cost(order[i], "peer")
		printf("%-8s %5d %-4s %12.1f %12s %7s\n", part[1], part[2],
			   part[3], o, p ? sprintf("%.1f", p) : "n/a",
			   p && o > 0 ? sprintf("%.2fx", p / o) : "-")
	}
	printf("medians of %d; CPU used by others: %.2f cores on average\n",
		   runs, foreign / NR)
}
