#!/usr/bin/env python3
"""Make a photo site like the reference site: 19 folders, 1,486 images, 1,343 of them with a position.

usage: gen_site.py OUT --templates DIR[,DIR...] [--seed N] [--folders 19] [--images 1486] [--first 296]
                   [--with-gps 1343] [--min-mb 2] [--max-mb 6] [--keep-kib 160] [--clutter] [--full]

Templates are real JPEG files (a folder with its truth.json). An image is a template's head - every
metadata segment, then scan data up to --keep-kib - in which latitude, longitude, altitude, GPS time, DateTimeOriginal
and a DJI XMP position are overwritten IN PLACE, so the layout stays the camera's own. The tail is a hole up to a
realistic size (--full: random bytes instead). Same seed and templates, same bytes.
OUT.truth.json: per relative path lat, lon, alt, taken, size, bytes needed; and the counts of the site.
"""
import argparse, json, os, random, re, shutil, struct, sys, hashlib

class Bad(Exception): pass

def layout(b):
    """offsets of the values to overwrite in a JPEG; Bad when the template does not suit"""
    o = 2; exif = None; scan = None; xmp = None
    while o + 4 <= len(b):
        if b[o] != 0xff: raise Bad("marker")
        m = b[o + 1]
        if m == 0xff: o += 1; continue
        if m == 0xda: scan = o; break
        n = struct.unpack_from(">H", b, o + 2)[0]
        if m == 0xe1 and b[o + 4:o + 10] == b"Exif\0\0" and exif is None: exif = (o + 10, o + 2 + n)
        if m == 0xe1 and b[o + 4:o + 33] == b"http://ns.adobe.com/xap/1.0/\0": xmp = (o + 33, o + 2 + n)
        o += 2 + n
    if scan is None: raise Bad("no scan")
    L = {"scan": scan, "xmp": xmp, "need": 0}
    if exif is None: L["gps"] = None; return L
    base, end = exif
    e = {b"II": "<", b"MM": ">"}.get(bytes(b[base:base + 2]))
    if not e: raise Bad("order")
    L["e"] = e
    def ifd(off):
        n = struct.unpack_from(e + "H", b, base + off)[0]; r = {}
        for i in range(n):
            p = base + off + 2 + 12 * i; tag, ty, cnt = struct.unpack_from(e + "HHI", b, p)
            size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8}.get(ty, 0) * cnt
            q = p + 8 if size <= 4 else base + struct.unpack_from(e + "I", b, p + 8)[0]
            if q + size <= end: r[tag] = (ty, cnt, q); L["need"] = max(L["need"], q + size) if tag in (0x10f, 0x110, 0x132, 0x9003) or r is None else L["need"]
        return r
    try:
        i0 = ifd(struct.unpack_from(e + "I", b, base + 4)[0])
        ex = ifd(struct.unpack_from(e + "I", b, i0[0x8769][2])[0]) if 0x8769 in i0 else {}
        L["taken"] = ex[0x9003][2] if 0x9003 in ex and ex[0x9003][1] >= 20 else None
        if 0x8825 not in i0: L["gps"] = None; return L
        g = ifd(struct.unpack_from(e + "I", b, i0[0x8825][2])[0])
    except (struct.error, KeyError): raise Bad("ifd")
    if 2 not in g and 4 not in g: L["gps"] = None; return L
    for t in (2, 4):
        if t not in g or g[t][:2] != (5, 3): raise Bad("lat/lon form")
    for t in (1, 3):
        if t not in g or g[t][0] != 2: raise Bad("ref form")
    L["gps"] = {t: v[2] for t, v in g.items()}
    L["alt"] = (g[6][2], g[5][2]) if 6 in g and 5 in g and g[6][:2] == (5, 1) and g[5][0] == 1 else None
    L["gtime"] = g[7][2] if 7 in g and g[7][:2] == (5, 3) else None
    L["gdate"] = g[29][2] if 29 in g and g[29][1] >= 10 else None
    L["need"] = max([L["need"]] + [v[2] + {1: 1, 2: 1, 3: 2, 5: 8}.get(v[0], 0) * v[1] for v in g.values()])
    return L

def dms(v, e):
    v = abs(v); u = round(v * 3600 * 10000)      # 1e-4 seconds: 3 mm
    d, r = divmod(u, 3600 * 10000); m, s = divmod(r, 60 * 10000)
    return struct.pack(e + "IIIIII", d, 1, m, 1, s, 10000), d + m / 60 + s / 10000 / 3600

def xmp_put(b, span, name, val, fmt):
    for m in re.finditer(rb'(drone-dji:%s(?:="|>))([+-]?[0-9.]+)' % name, bytes(b[span[0]:span[1]])):
        w = len(m.group(2)); s = ("%+.10f" if m.group(2)[:1] in b"+-" else "%.10f") % val
        if "." in s[:w - 0]: s = s[:w]
        b[span[0] + m.start(2):span[0] + m.end(2)] = s.encode().ljust(w, b"0")[:w]

def main():
    ap = argparse.ArgumentParser(); ap.add_argument("out"); ap.add_argument("--templates", required=True)
    for k, d in (("seed", 1), ("folders", 19), ("images", 1486), ("first", 296), ("with-gps", 1343), ("keep-kib", 160)): ap.add_argument("--" + k, type=int, default=d)
    ap.add_argument("--min-mb", type=float, default=2); ap.add_argument("--max-mb", type=float, default=6)
    ap.add_argument("--clutter", action="store_true"); ap.add_argument("--full", action="store_true")
    a = ap.parse_args(); rng = random.Random(a.seed)
    yes, no = [], []
    for d in a.templates.split(","):
        tr = json.load(open(os.path.join(d, "truth.json")))
        for n in sorted(tr):
            t = tr[n]
            if t["type"] != "JPEG" or t["size"] < 20000: continue
            b = open(os.path.join(d, n), "rb").read()
            try: L = layout(b)
            except (Bad, struct.error, IndexError): continue
            if L["scan"] > 140 << 10: continue
            if t["gps"] == "ok" and t["gps_source"] == "exif" and L["gps"] and not t["hostile"]: yes.append((n, b, L, t))
            elif t["gps"] == "absent" and not L["gps"] and not t["xmp"] and not t["error"] and not t["hostile"]: no.append((n, b, L, t))
    # at most 3 templates of one camera, so that no maker rules the site
    def thin(l):
        seen = {}; r = []
        for x in l:
            k = (x[3]["make"], x[3]["model"]); seen[k] = seen.get(k, 0) + 1
            if seen[k] <= 3: r.append(x)
        return r
    yes, no = thin(yes), thin(no)
    if not yes or not no: sys.exit("no suitable templates")
    shutil.rmtree(a.out, ignore_errors=True); os.makedirs(a.out)
    # folder sizes: the first as asked, the rest uneven around their mean
    rest = a.images - a.first; k = a.folders - 1; w = [rng.uniform(0.5, 1.6) for _ in range(k)]
    sizes = [a.first] + [int(rest * x / sum(w)) for x in w]
    for i in range(a.images - sum(sizes)): sizes[1 + i % max(1, k)] += 1
    flags = [True] * a.with_gps + [False] * (a.images - a.with_gps); rng.shuffle(flags)
    truth = {}; i = 0; used = set()
    for fi, n in enumerate(sizes):
        folder = "%02d_%s" % (fi + 1, rng.choice(["North block", "Row A", "Roof-2", "Inverter yard", "Zufahrt Süd", "Trackers", "DJI_flight", "100APPLE"]))
        os.makedirs(os.path.join(a.out, folder))
        clat, clon = rng.uniform(-60, 70), rng.uniform(-179, 179)
        for j in range(n):
            name, b, L, t = rng.choice(yes if flags[i] else no)
            b = bytearray(b[:max(L["scan"] + 2048, a.keep_kib << 10)])
            while len(b) < a.keep_kib << 10: b += rng.randbytes(4096).replace(b"\xff", b"\xfe")
            b = b[:max(L["scan"] + 2048, a.keep_kib << 10)]
            rec = {"template": name, "lat": None, "lon": None, "alt": None, "make": t["make"], "model": t["model"]}
            secs = 1700000000 + 86400 * fi + 37 * j + rng.randrange(30)
            import time as _t
            tm = _t.gmtime(secs); e = L.get("e")
            if L.get("taken"): b[L["taken"]:L["taken"] + 19] = _t.strftime("%Y:%m:%d %H:%M:%S", tm).encode(); rec["taken"] = _t.strftime("%Y:%m:%d %H:%M:%S", tm)
            if flags[i]:
                while True:
                    la, lo = clat + rng.uniform(-.01, .01), clon + rng.uniform(-.01, .01)
                    if (round(la, 5), round(lo, 5)) not in used: used.add((round(la, 5), round(lo, 5))); break
                g = L["gps"]
                for val, tv, tr_, c in ((la, 2, 1, "NS"), (lo, 4, 3, "EW")):
                    raw, got = dms(val, e); b[g[tv]:g[tv] + 24] = raw; b[g[tr_]:g[tr_] + 1] = c[val < 0].encode()
                    rec["lat" if tv == 2 else "lon"] = got * (-1 if val < 0 else 1)
                if L["alt"]:
                    al = round(rng.uniform(-80, 900), 2); b[L["alt"][0]:L["alt"][0] + 8] = struct.pack(e + "II", round(abs(al) * 100), 100); b[L["alt"][1]] = al < 0; rec["alt"] = al
                if L["gtime"]: b[L["gtime"]:L["gtime"] + 24] = struct.pack(e + "IIIIII", tm.tm_hour, 1, tm.tm_min, 1, tm.tm_sec, 1); rec["gps_time"] = _t.strftime("%H:%M:%S", tm)
                if L["gdate"]: b[L["gdate"]:L["gdate"] + 10] = _t.strftime("%Y:%m:%d", tm).encode(); rec["gps_date"] = _t.strftime("%Y:%m:%d", tm)
                if L["xmp"]:
                    for nm, v in ((b"GpsLatitude", rec["lat"]), (b"GpsLongitude", rec["lon"]), (b"GpsLongtitude", rec["lon"])): xmp_put(b, L["xmp"], nm, v, 0)
                rec["need_end"] = L["need"]
            rel = "%s/%s_%04d.%s" % (folder, {"DJI": "DJI", "Hasselblad": "DJI"}.get(t["make"], "IMG"), j + 1, rng.choice(["JPG", "JPG", "jpg", "jpeg"]))
            size = rng.randrange(int(a.min_mb * 1e6), int(a.max_mb * 1e6)); rec["size"] = max(size, len(b) + 2)
            with open(os.path.join(a.out, rel), "wb") as f:
                f.write(b)
                if a.full: f.write(rng.randbytes(rec["size"] - len(b)))
                f.truncate(rec["size"])
            os.utime(os.path.join(a.out, rel), (secs, secs)); truth[rel] = rec; i += 1
        if a.clutter:
            for nm, d in (("notes.txt", b"visited\n"), ("Thumbs.db", b"\xd0\xcf\x11\xe0" + bytes(500)), (".DS_Store", b"\0\0\0\1Bud1"), ("._IMG_0001.JPG", b"\0\5\x16\7" + bytes(100)), ("plan.pdf", b"%PDF-1.4\n")):
                open(os.path.join(a.out, folder, nm), "wb").write(d)
    tf = a.out.rstrip("/") + ".truth.json"
    json.dump({"folders": a.folders, "images": a.images, "with_gps": a.with_gps, "sizes": sizes, "seed": a.seed, "templates": [len(yes), len(no)], "files": truth}, open(tf, "w"), indent=0, sort_keys=True)
    h = hashlib.sha256()
    for r in sorted(truth): h.update(r.encode() + open(os.path.join(a.out, r), "rb").read(1 << 18))
    print("folders %d images %d with GPS %d templates %d+%d digest %s" % (len(sizes), len(truth), sum(v["lat"] is not None for v in truth.values()), len(yes), len(no), h.hexdigest()[:16]))
main()
