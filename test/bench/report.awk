# report.awk
#	  The table of a benchmark run, from its lines of results.
#
# Input: row, side, arm, setting, run, then key=value fields, between tabs.
# A figure is the median over its runs.  A ratio above 1 is in favour of
# trident, whatever the unit.  "foreign" is the most CPU, in cores, that
# others used during any of the measurements behind the line.
#
# Variable dim: the dimension; where a vector is stored out of line (above
# some 2 kB), half of the ratios asked for in queries per second will do.
# Variable ours: the name of the extension on our side.

BEGIN { FS = "\t" }

{
	key = $1 SUBSEP $2 SUBSEP $3 SUBSEP $4
	has[$1] = 1
	split("", f)
	for (i = 6; i <= NF; i++) {
		eq = index($i, "=")
		f[substr($i, 1, eq - 1)] = substr($i, eq + 1)
	}
	if ($1 == "qps")
		key = key SUBSEP f["conns"]
	for (name in f) {
		at = key SUBSEP name
		value[at, ++count[at]] = f[name]
	}
	note_foreign($1 == "qps" ? $1 SUBSEP f["conns"] : key, f["foreign"])
	if ($1 == "qps" && !seen[$2, $3, $4]++) {
		points[$2, $3] = points[$2, $3] " " $4
		if (!seen[$2, $3]++)
			families[$2] = families[$2] " " $3
	}
}

function note_foreign(key, cores) {
	if (cores == "" || cores == "-")
		return
	if (!(key in foreign) || cores + 0 > foreign[key])
		foreign[key] = cores + 0
}

# The median of a figure, or "" where it was not measured.
function median(row, side, arm, setting, name,	at, n, i, j, t, v) {
	at = row SUBSEP side SUBSEP arm SUBSEP setting SUBSEP name
	n = count[at]
	if (!n)
		return ""
	for (i = 1; i <= n; i++) {
		t = value[at, i] + 0
		for (j = i - 1; j > 0 && v[j] > t; j--)
			v[j + 1] = v[j]
		v[j + 1] = t
	}
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}

function text_of(row, side, arm, setting, name,	at) {
	at = row SUBSEP side SUBSEP arm SUBSEP setting SUBSEP name
	return count[at] ? value[at, 1] : ""
}

# A point of a sweep.
function point(side, arm, setting, conns, name) {
	return median("qps", side, arm, setting SUBSEP conns, name)
}

function number(x) {
	if (x == "")
		return "n/a"
	if (x < 0)
		return sprintf("%.2f", x)
	if (x >= 100)
		return sprintf("%.0f", x)
	if (x >= 10)
		return sprintf("%.1f", x)
	return sprintf(x >= 0.1 ? "%.2f" : "%.4f", x)
}

function times(x) {
	return x == "" ? "-" : number(x) "x"
}

function most(a, b) {
	return a == "" ? b : b == "" ? a : a > b ? a : b
}

function verdict(got, must, aim) {
	if (got == "" || must == "")
		return ""
	if (got < must)
		return "below"
	return aim != "" && got >= aim ? "aim" : "must"
}

# more: 1 when more is better (queries per second), 0 when less is.
function line(what, ours, peer, more, must, aim, cores,	ratio, met) {
	ratio = ""
	if (ours != "" && peer != "") {
		if (more)
			ratio = peer > 0 ? ours / peer : ""
		else
			ratio = ours > 0 ? peer / ours : 9999
	}
	met = verdict(ratio, must, aim)
	printf("%-46s %10s %10s %9s %6s %6s %-5s %7s\n", what, number(ours),
		   number(peer), times(ratio), must == "" ? "-" : must "x",
		   aim == "" ? "-" : aim "x", met,
		   cores == "" ? "-" : sprintf("%.2f", cores))
}

function both(row, arm, setting) {
	return most(foreign[row, "ours", arm, setting],
				foreign[row, "peer", arm, setting])
}

function between(x, x0, y0, x1, y1) {
	return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
}

# Queries per second at a recall: along one sweep, between the two points on
# either side of it, or at any point that has more.
function speed_of_family(side, arm, conns, recall,	n, s, i, j, r, q, x, y, best) {
	n = split(points[side, arm], s, " ")
	best = ""
	for (i = 1; i <= n; i++) {
		x = point(side, arm, s[i], conns, "recall")
		y = point(side, arm, s[i], conns, "qps")
		for (j = i - 1; j > 0 && r[j] > x; j--) {
			r[j + 1] = r[j]
			q[j + 1] = q[j]
		}
		r[j + 1] = x
		q[j + 1] = y
	}
	for (i = 1; i <= n; i++) {
		if (r[i] >= recall)
			best = most(best, q[i])
		if (i > 1 && r[i - 1] < recall && r[i] > recall)
			best = most(best, between(recall, r[i - 1], q[i - 1], r[i], q[i]))
	}
	return best
}

function speed_at(side, conns, recall,	n, a, i, best) {
	n = split(families[side], a, " ")
	best = ""
	for (i = 1; i <= n; i++)
		best = most(best, speed_of_family(side, a[i], conns, recall))
	return best
}

function speed_lines(recall, must, aim,	conns, part) {
	part = dim * 4 > 2000 ? 2 : 1
	for (conns = 1; conns <= 64; conns++)
		if (("qps", conns) in foreign || speed_at("peer", conns, 0) != "" ||
			speed_at("ours", conns, 0) != "")
			line("QPS at recall@10 " recall ", " conns " connection" \
				 (conns > 1 ? "s" : ""), speed_at("ours", conns, recall),
				 speed_at("peer", conns, recall), 1, must / part, aim / part,
				 foreign["qps", conns])
}

# Recall reached by index_target_recall alone; the target is the yardstick.
function target_lines(	n, s, i, got) {
	n = split(points["ours", "target"], s, " ")
	for (i = 1; i <= n; i++) {
		got = point("ours", "target", s[i], 1, "recall")
		printf("%-46s %10s %10s %9s %6s %6s %-5s %7s\n",
			   "recall@10 reached by index_target_recall " s[i],
			   sprintf("%.4f", got), "-", "-", s[i] - 0.01, s[i],
			   verdict(got, s[i] - 0.01, s[i] + 0), "-")
	}
}

function insert_cost(side,	plain, full, rows) {
	plain = median("insert", side, "plain", "-", "seconds")
	full = median("insert", side, "index", "-", "seconds")
	rows = median("insert", side, "plain", "-", "rows")
	return plain == "" || full == "" ? "" : (full - plain) / rows * 1e6
}

function copy_rate(side,	s) {
	s = median("copy", side, "-", "-", "seconds")
	return s == "" ? "" : median("copy", side, "-", "-", "rows") / s
}

# One line a side and way of searching: rows, recall and latency.
function filter_line(row, label, setting, side, arm,	m) {
	m = median(row, side, arm, setting, "p50_ms")
	if (m == "")
		return
	printf("  %-28s %-10s %-8s %-6s rows %5.2f  short %4d  recall %.4f" \
		   "  p50 %8.3f ms  p95 %8.3f ms  QPS %8s  foreign %.2f\n", label,
		   side == "ours" ? ours : "pgvector", arm,
		   text_of(row, side, arm, setting, "plan"),
		   median(row, side, arm, setting, "rows"),
		   median(row, side, arm, setting, "short"),
		   median(row, side, arm, setting, "recall"), m,
		   median(row, side, arm, setting, "p95_ms"),
		   number(median(row, side, arm, setting, "qps")),
		   foreign[row, side, arm, setting])
}

function filter_lines(row, label, setting) {
	filter_line(row, label, setting, "ours", "default")
	filter_line(row, label, setting, "ours", "strict")
	filter_line(row, label, setting, "ours", "relaxed")
	filter_line(row, label, setting, "peer", "strict")
	filter_line(row, label, setting, "peer", "relaxed")
}

# The peer's faster way against ours, by median latency.
function filter_ratio(row, label, setting,	ours, peer, relaxed) {
	ours = median(row, "ours", "default", setting, "p50_ms")
	if (ours == "")
		ours = median(row, "ours", "relaxed", setting, "p50_ms")
	peer = median(row, "peer", "strict", setting, "p50_ms")
	relaxed = median(row, "peer", "relaxed", setting, "p50_ms")
	if (relaxed != "" && relaxed < peer)
		peer = relaxed
	if (ours != "" || peer != "")
		line(label ", p50 ms", ours, peer, 0, 1, 3,
			 most(both(row, "default", setting), both(row, "relaxed", setting)))
}

function sweep_lines(side,	n, a, i, m, s, j) {
	n = split(families[side], a, " ")
	for (i = 1; i <= n; i++) {
		m = split(points[side, a[i]], s, " ")
		for (j = 1; j <= m; j++)
			printf("  %-10s %-8s %6s  recall %.4f  QPS (1) %8s  QPS (2) %8s" \
				   "  p50 %8.3f ms  p99 %8.3f ms  CPU %8s ms\n",
				   side == "ours" ? ours : "pgvector", a[i], s[j],
				   point(side, a[i], s[j], 1, "recall"),
				   number(point(side, a[i], s[j], 1, "qps")),
				   number(point(side, a[i], s[j], 2, "qps")),
				   point(side, a[i], s[j], 1, "p50_ms"),
				   point(side, a[i], s[j], 1, "p99_ms"),
				   number(point(side, a[i], s[j], 1, "cpu_ms")))
	}
}

function simple_line(what, row, arm, name, scale, more, must, aim,	o, p) {
	o = median(row, "ours", arm, "-", name)
	p = median(row, "peer", arm, "-", name)
	if (o != "" || p != "")
		line(what, o == "" ? o : o / scale, p == "" ? p : p / scale, more,
			 must, aim, both(row, arm, "-"))
}

# Kept indexes carry setting "kept"; they count like built ones.
function build_line(	o, p) {
	o = median("build", "ours", "-", "-", "seconds")
	p = median("build", "peer", "-", "-", "seconds")
	if (o == "")
		o = median("build", "ours", "-", "kept", "seconds")
	if (p == "")
		p = median("build", "peer", "-", "kept", "seconds")
	if (o != "" || p != "")
		line("index build, s" \
			 (text_of("build", "peer", "-", "kept", "seconds") != "" ? \
			  " (peer's index kept)" : ""), o, p, 0, 15, 40,
			 most(both("build", "-", "-"), both("build", "-", "kept")))
}

END {
	printf("\n%-46s %10s %10s %9s %6s %6s %-5s %7s\n", "", ours,
		   "pgvector", "ratio", "must", "aim", "met", "foreign")
	simple_line("exact sequential scan, QPS", "seq", "scan", "qps", 1, 1, 1, "")
	o = median("seq", "ours", "search", "-", "qps")
	p = median("seq", "peer", "scan", "-", "qps")
	if (o != "")
		line("exact trident_search, QPS", o, p, 1, 1, 3,
			 both("seq", "search", "-"))
	simple_line("exact sequential scan, ms of CPU", "seq", "scan", "cpu_ms", 1,
				0, 1, "")
	p = median("seq", "peer", "scan", "-", "cpu_ms")
	o = median("seq", "ours", "search", "-", "cpu_ms")
	if (o != "")
		line("exact trident_search, ms of CPU", o, p, 0, 1, 3,
			 both("seq", "search", "-"))
	o = median("seq", "ours", "scan", "-", "recall")
	p = median("seq", "peer", "scan", "-", "recall")
	if (o != "" || p != "")
		line("exact sequential scan, recall@10", o, p, 1, 1, "", "")
	if ((o = median("seq", "ours", "search", "-", "recall")) != "")
		line("exact trident_search, recall@10", o, 1, 1, 1, "", "")
	speed_lines("0.95", 4, 10)
	speed_lines("0.99", 6, 15)
	target_lines()
	build_line()
	simple_line("index size, MB", "size", "-", "bytes", 1e6, 0, 4, 6)
	o = copy_rate("ours")
	p = copy_rate("peer")
	if (o != "" || p != "")
		line("COPY into the full index, rows/s", o, p, 1, 20, 60,
			 both("copy", "-", "-"))
	o = insert_cost("ours")
	p = insert_cost("peer")
	if (o != "" || p != "")
		line("insert of one row, us above no index", o, p, 0, 10, 30,
			 both("insert", "index", "-"))
	filter_ratio("filter", "filter of 10 %", 100)
	filter_ratio("filter", "filter of 1 %", 10)
	filter_ratio("filter", "filter of 0.1 %", 1)
	filter_ratio("tenant", "one tenant of 100", 1)
	if (has["filter"] || has["tenant"])
		print "\nfilters (the peer with sequential scans off, ours as planned)"
	filter_lines("filter", "10 %", 100)
	filter_lines("filter", "1 %", 10)
	filter_lines("filter", "0.1 %", 1)
	filter_lines("tenant", "tenant (1 %)", 1)
	if (has["qps"])
		print "\nsweeps"
	sweep_lines("ours")
	sweep_lines("peer")
}
