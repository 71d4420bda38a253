/*
 * 62_ingest_page.sql
 *	  The page that trident_flight_path(site, 'html') fills.
 *
 * One file, nothing is loaded: its policy forbids it.  The data stand in it as
 * JSON without "<", and the script puts names into the page as text only, so
 * that no name of a file is ever markup.
 *
 * Positions are meters east and north of the middle of the flight, heights
 * those above the take-off, or above the lowest photo if one does not tell.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE FUNCTION trident.xml_text(value text)
RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN replace(replace(replace(replace(replace(
	regexp_replace(value, '[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]', '', 'g'),
	'&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;');
COMMENT ON FUNCTION trident.xml_text(text) IS
	'text escaped for XML and HTML, as content and as the value of an attribute; control characters are left out';

CREATE FUNCTION trident.flight_page(title text, data json)
RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN $page$<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>$page$ || trident.xml_text(title) || $page$</title>
<style>
:root { --ink: #1d2733; --soft: #64748b; --line: #e2e8f0; --paper: #ffffff; --back: #f4f6f9; --accent: #0b6bcb; }
* { box-sizing: border-box; }
html, body { height: 100%; margin: 0; }
body { display: grid; grid-template: auto minmax(0, 1fr) auto / minmax(0, 1fr) 300px; gap: 12px; padding: 12px;
	background: var(--back); color: var(--ink); font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header { grid-column: 1 / 3; display: flex; flex-wrap: wrap; gap: 10px 28px; align-items: center; }
h1 { font-size: 19px; font-weight: 650; margin: 0; overflow-wrap: anywhere; }
header p { margin: 1px 0 0; color: var(--soft); overflow-wrap: anywhere; }
dl { display: flex; flex-wrap: wrap; gap: 10px; margin: 0 0 0 auto; }
dl div { background: var(--paper); border: 1px solid var(--line); border-radius: 9px; padding: 5px 14px; text-align: right; }
dt { color: var(--soft); font-size: 11.5px; }
dd { margin: 0; font-size: 17px; font-weight: 600; font-variant-numeric: tabular-nums; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; position: relative; box-shadow: 0 1px 2px rgb(15 23 42 / .04); }
#map canvas { position: absolute; inset: 0; width: 100%; height: 100%; cursor: grab; touch-action: none; }
#map canvas.moving { cursor: grabbing; }
#tools { position: absolute; left: 12px; top: 12px; display: flex; gap: 6px; }
button { font: inherit; color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 4px 13px; cursor: pointer; }
button:hover { border-color: #b6c2d1; }
button[aria-pressed=true] { background: var(--accent); border-color: var(--accent); color: #fff; }
#help { position: absolute; right: 14px; top: 17px; color: var(--soft); font-size: 12px; }
aside { display: flex; flex-direction: column; }
aside h2 { font-size: 13px; margin: 0; padding: 12px 14px 6px; color: var(--soft); font-weight: 600; }
#legend { list-style: none; margin: 0; padding: 0 6px 8px; overflow: auto; flex: 1; }
#legend label { display: grid; grid-template-columns: auto 14px 1fr; gap: 9px; padding: 6px 8px; border-radius: 8px; cursor: pointer; align-items: start; }
#legend label:hover { background: var(--back); }
#legend input { margin: 3px 0 0; accent-color: var(--accent); }
#legend i { width: 14px; height: 14px; border-radius: 50%; margin-top: 3px; border: 1px solid rgb(0 0 0 / .28); }
#legend b { font-weight: 550; overflow-wrap: anywhere; }
#legend small { display: block; color: var(--soft); font-size: 12px; }
#legend .off b { color: var(--soft); font-weight: 400; }
#profile { grid-column: 1 / 3; height: 150px; }
#profile canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
#tip { position: fixed; pointer-events: none; display: none; max-width: 320px; background: var(--ink); color: #fff; padding: 8px 11px; border-radius: 9px; font-size: 12.5px; box-shadow: 0 6px 20px rgb(15 23 42 / .25); overflow-wrap: anywhere; z-index: 2; }
#tip b { display: block; font-size: 13px; }
#tip span { color: #cbd5e1; display: block; }
#none { position: absolute; inset: 0; display: none; place-items: center; color: var(--soft); text-align: center; padding: 20px; }
@media (max-width: 760px) { body { grid-template: auto 60vh auto auto / minmax(0, 1fr); height: auto; } header, #profile { grid-column: 1; } dl { margin-left: 0; } #help { display: none; } }
</style>
</head>
<body>
<header><div><h1 id="title"></h1><p id="path"></p></div><dl id="stats"></dl></header>
<main id="map" class="card"><canvas id="view" aria-label="Flight path"></canvas>
<div id="tools"><button id="flat" aria-pressed="true">Map</button><button id="solid" aria-pressed="false">3D</button><button id="fit">Fit</button></div>
<div id="help">drag to move, wheel to zoom, hover for a photo</div>
<div id="none">No photo with a position.</div></main>
<aside class="card"><h2>Folders</h2><ul id="legend"></ul></aside>
<section id="profile" class="card"><canvas id="heights" aria-label="Heights along the flight"></canvas></section>
<div id="tip"></div>
<noscript>This page draws the flight path with a script that is part of it.</noscript>
<script type="application/json" id="data">$page$ || replace(data::text, '<', '\u003c') || $page$</script>
<script>
"use strict";
(function () {
	const data = JSON.parse(document.getElementById("data").textContent);
	const $ = (id) => document.getElementById(id);
	const ratio = window.devicePixelRatio || 1;
	const points = [];
	let hovered = null, solid = false, yaw = 0, pitch = Math.PI / 2, scale = 1, panX = 0, panY = 0;

	/* Names become text, never markup. */
	const element = (name, text, parent) => {
		const e = document.createElement(name);
		if (text !== undefined) e.textContent = text;
		if (parent) parent.appendChild(e);
		return e;
	};
	const grouped = (n) => n.toLocaleString("en-US");
	const sized = (n) => n >= 1e9 ? (n / 1e9).toFixed(1) + " GB" : n >= 1e6 ? (n / 1e6).toFixed(1) + " MB" : Math.ceil(n / 1e3) + " kB";
	const darker = (color) => {
		const n = parseInt(color.slice(1), 16), part = (shift) => Math.round((n >> shift & 255) * 0.72);
		return "rgb(" + part(16) + "," + part(8) + "," + part(0) + ")";
	};

	/* Points: [longitude, latitude, altitude, height, direction, name, time, outlier] */
	data.folders.forEach((folder, f) => {
		folder.shown = folder.is_path;
		folder.dark = darker(folder.color);
		folder.points.forEach((p) => points.push({ folder: folder, f: f, lon: p[0], lat: p[1], alt: p[2], height: p[3], direction: p[4], name: p[5], time: p[6], outlier: p[7] }));
	});
	const inside = points.filter((p) => !p.outlier && p.folder.is_path);
	const all = inside.length ? inside : points;
	const range = (key) => {
		let low = Infinity, high = -Infinity;
		all.forEach((p) => { const v = p[key]; if (v !== null && v !== undefined) { low = Math.min(low, v); high = Math.max(high, v); } });
		return [low, high];
	};
	/* A site may lie on both sides of the antimeridian. */
	const lons = range("lon");
	if (lons[1] - lons[0] > 180) points.forEach((p) => { if (p.lon < 0) p.east = p.lon + 360; });
	points.forEach((p) => { if (p.east === undefined) p.east = p.lon; });
	const east = range("east"), north = range("lat"), alts = range("alt");
	const lon0 = (east[0] + east[1]) / 2, lat0 = (north[0] + north[1]) / 2, perLon = 111320 * Math.cos(lat0 * Math.PI / 180);
	/* One kind of height for all: above the take-off, where every photo tells that. */
	const relative = all.length > 0 && all.every((p) => p.height !== null);
	points.forEach((p) => {
		p.x = (p.east - lon0) * perLon;
		p.y = (p.lat - lat0) * 110574;
		p.z = relative ? p.height || 0 : p.alt !== null && isFinite(alts[0]) ? p.alt - alts[0] : 0;
	});
	const xs = range("x"), ys = range("y"), zs = range("z");

	/* The text of the page. */
	$("title").textContent = data.title;
	$("path").textContent = data.subtitle;
	[["Images", grouped(data.images)], ["Folders", grouped(data.folders.length)], ["Size", sized(data.bytes)], ["GPS points", grouped(points.length)], ["Outliers", grouped(points.filter((p) => p.outlier).length)]].forEach((s) => {
		const box = element("div", undefined, $("stats"));
		element("dt", s[0], box);
		element("dd", s[1], box);
	});
	data.folders.forEach((folder) => {
		const item = element("li", undefined, $("legend")), label = element("label", undefined, item), box = element("input", undefined, label);
		const dot = element("i", undefined, label), text = element("div", undefined, label);
		box.type = "checkbox";
		box.checked = folder.shown;
		dot.style.background = folder.color;
		element("b", folder.path === "" ? "(site)" : folder.path, text);
		element("small", folder.class + " \u00b7 " + sized(folder.bytes) + " \u00b7 " + grouped(folder.images) + (folder.images === 1 ? " image, " : " images, ") + grouped(folder.points.length) + " with position", text);
		if (folder.error) element("small", "could not be read: " + folder.error, text);
		label.className = folder.shown ? "" : "off";
		box.addEventListener("change", () => { folder.shown = box.checked; label.className = folder.shown ? "" : "off"; draw(); });
		label.addEventListener("mouseenter", () => { data.lit = folder; draw(); });
		label.addEventListener("mouseleave", () => { data.lit = null; draw(); });
	});
	if (!points.length) $("none").style.display = "grid";

	const sizeOf = (canvas) => {
		const box = canvas.parentElement.getBoundingClientRect();
		canvas.width = Math.max(1, Math.round(box.width * ratio));
		canvas.height = Math.max(1, Math.round(box.height * ratio));
		const pen = canvas.getContext("2d");
		pen.setTransform(ratio, 0, 0, ratio, 0, 0);
		return [pen, box.width, box.height];
	};
	const place = (x, y, z, w, h) => {
		const c = Math.cos(yaw), s = Math.sin(yaw), across = x * c + y * s, along = y * c - x * s;
		return [w / 2 + panX + scale * across, h / 2 + panY - scale * (along * Math.sin(pitch) + z * Math.cos(pitch))];
	};
	const fit = () => {
		const box = $("map").getBoundingClientRect();
		let low = [Infinity, Infinity], high = [-Infinity, -Infinity];
		scale = 1; panX = panY = 0;
		if (!all.length) return;
		[xs[0], xs[1]].forEach((x) => [ys[0], ys[1]].forEach((y) => [0, zs[1]].forEach((z) => {
			const at = place(x, y, z, 0, 0);
			[0, 1].forEach((i) => { low[i] = Math.min(low[i], at[i]); high[i] = Math.max(high[i], at[i]); });
		})));
		scale = Math.min((box.width - 130) / Math.max(high[0] - low[0], 20), (box.height - 130) / Math.max(high[1] - low[1], 20));
		panX = -scale * (low[0] + high[0]) / 2;
		panY = -scale * (low[1] + high[1]) / 2 + 12;
	};
	/* 1, 2 or 5 times a power of ten, about n. */
	const rounded = (n) => {
		const power = Math.pow(10, Math.floor(Math.log10(n))), m = n / power;
		return (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10) * power;
	};
	const metres = (n) => n >= 1000 ? n / 1000 + " km" : n + " m";
	const grid = (pen, w, h) => {
		const step = rounded(90 / scale), reach = Math.hypot(w, h) / scale / 2 + step;
		const cx = -panX / scale, cy = panY / scale;
		const mid = solid ? [0, 0] : [cx, cy], far = solid ? Math.max(xs[1] - xs[0], ys[1] - ys[0], step) * 0.75 + step : reach;
		pen.strokeStyle = "#e8edf3";
		pen.lineWidth = 1;
		pen.beginPath();
		for (let i = Math.floor((mid[0] - far) / step); i <= (mid[0] + far) / step; i++) { pen.moveTo(...place(i * step, mid[1] - far, 0, w, h)); pen.lineTo(...place(i * step, mid[1] + far, 0, w, h)); }
		for (let i = Math.floor((mid[1] - far) / step); i <= (mid[1] + far) / step; i++) { pen.moveTo(...place(mid[0] - far, i * step, 0, w, h)); pen.lineTo(...place(mid[0] + far, i * step, 0, w, h)); }
		pen.stroke();
	};
	const scaleBar = (pen, w, h) => {
		const length = rounded(110 / scale);
		pen.strokeStyle = pen.fillStyle = "#475569";
		pen.lineWidth = 2;
		pen.beginPath();
		pen.moveTo(16, h - 22); pen.lineTo(16, h - 16); pen.lineTo(16 + length * scale, h - 16); pen.lineTo(16 + length * scale, h - 22);
		pen.stroke();
		pen.font = "12px system-ui, sans-serif";
		pen.textAlign = "left";
		pen.fillText(metres(length), 18, h - 24);
		/* North. */
		const x = w - 30, y = h - 34, a = -yaw;
		pen.save();
		pen.translate(x, y); pen.rotate(-a);
		pen.beginPath(); pen.moveTo(0, -15); pen.lineTo(6, 9); pen.lineTo(0, 5); pen.lineTo(-6, 9); pen.closePath(); pen.fill();
		pen.restore();
		pen.textAlign = "center";
		pen.fillText("N", x - Math.sin(a) * 24, y - Math.cos(a) * 24 + 4);
	};
	const line = (pen, list, w, h) => {
		pen.beginPath();
		list.forEach((p, i) => pen[i ? "lineTo" : "moveTo"](...place(p.x, p.y, p.z, w, h)));
		pen.stroke();
	};
	const drawFolder = (pen, folder, f, w, h) => {
		const own = points.filter((p) => p.f === f && !p.outlier), dim = data.lit && data.lit !== folder;
		pen.globalAlpha = dim ? 0.15 : 1;
		if (solid) {
			pen.strokeStyle = folder.color;
			pen.lineWidth = 1;
			pen.globalAlpha = dim ? 0.05 : 0.35;
			pen.beginPath();
			own.forEach((p) => { pen.moveTo(...place(p.x, p.y, 0, w, h)); pen.lineTo(...place(p.x, p.y, p.z, w, h)); });
			pen.stroke();
			pen.globalAlpha = dim ? 0.15 : 1;
		}
		pen.strokeStyle = folder.color;
		pen.lineWidth = 2;
		pen.lineJoin = "round";
		line(pen, own, w, h);
		const r = own.length > 3000 ? 2 : 4;
		pen.fillStyle = folder.color;
		pen.strokeStyle = folder.dark;
		pen.lineWidth = 1;
		own.forEach((p) => {
			p.at = place(p.x, p.y, p.z, w, h);
			pen.beginPath();
			pen.arc(p.at[0], p.at[1], r, 0, 7);
			pen.fill();
			pen.stroke();
		});
		pen.globalAlpha = 1;
	};
	const boxes = [];
	const label = (pen, text, x, y, w) => {
		pen.font = "600 12px system-ui, sans-serif";
		const length = pen.measureText(text).width, box = [Math.min(Math.max(x + 8, 4), w - length - 10), y - 20, length + 12, 18];
		for (let tries = 0; tries < 12 && boxes.some((b) => box[0] < b[0] + b[2] && b[0] < box[0] + box[2] && box[1] < b[1] + b[3] && b[1] < box[1] + box[3]); tries++) box[1] += 20;
		boxes.push(box);
		pen.fillStyle = "rgb(255 255 255 / .88)";
		pen.strokeStyle = "#cbd5e1";
		pen.lineWidth = 1;
		pen.beginPath();
		pen.rect(box[0], box[1], box[2], box[3]);
		pen.fill();
		pen.stroke();
		pen.fillStyle = "#1d2733";
		pen.textAlign = "left";
		pen.fillText(text, box[0] + 6, box[1] + 13);
	};
	const drawOutliers = (pen, w, h) => {
		pen.strokeStyle = "#dc2626";
		pen.lineWidth = 2.5;
		points.forEach((p) => {
			if (!p.outlier || !p.folder.shown) return;
			const at = p.at = place(p.x, p.y, p.z, w, h);
			pen.beginPath();
			pen.moveTo(at[0] - 4, at[1] - 4); pen.lineTo(at[0] + 4, at[1] + 4);
			pen.moveTo(at[0] + 4, at[1] - 4); pen.lineTo(at[0] - 4, at[1] + 4);
			pen.stroke();
		});
	};
	const drawProfile = () => {
		const [pen, w, h] = sizeOf($("heights")), shown = points.filter((p) => p.folder.shown && !p.outlier);
		const left = 56, right = 14, top = 26, bottom = 12, low = Math.min(0, zs[0]), high = Math.max(zs[1], 10), step = rounded((high - low) / 3);
		pen.clearRect(0, 0, w, h);
		pen.font = "12px system-ui, sans-serif";
		pen.fillStyle = "#64748b";
		pen.textAlign = "left";
		pen.fillText("Height above " + (relative ? "take-off" : "the lowest photo") + ", in the order of the flights", left, 16);
		if (!all.length) return;
		const y = (z) => h - bottom - (z - low) / (high - low) * (h - top - bottom), x = (i) => left + (shown.length < 2 ? 0 : i / (shown.length - 1) * (w - left - right));
		pen.textAlign = "right";
		for (let v = Math.ceil(low / step) * step; v <= high; v += step) {
			pen.strokeStyle = "#e8edf3";
			pen.beginPath(); pen.moveTo(left, y(v)); pen.lineTo(w - right, y(v)); pen.stroke();
			pen.fillText(metres(Math.round(v * 100) / 100), left - 8, y(v) + 4);
		}
		shown.forEach((p, i) => {
			const lit = hovered === p;
			p.px = x(i);
			pen.globalAlpha = data.lit && data.lit !== p.folder ? 0.15 : 1;
			pen.strokeStyle = p.folder.color;
			pen.lineWidth = lit ? 3 : 1;
			pen.beginPath(); pen.moveTo(p.px, y(low)); pen.lineTo(p.px, y(p.z)); pen.stroke();
			pen.fillStyle = lit ? "#1d2733" : p.folder.color;
			pen.beginPath(); pen.arc(p.px, y(p.z), lit ? 4 : 2.2, 0, 7); pen.fill();
		});
		pen.globalAlpha = 1;
	};
	function draw() {
		const [pen, w, h] = sizeOf($("view"));
		pen.clearRect(0, 0, w, h);
		boxes.length = 0;
		points.forEach((p) => { p.at = null; });
		grid(pen, w, h);
		data.folders.forEach((folder, f) => { if (folder.shown) drawFolder(pen, folder, f, w, h); });
		drawOutliers(pen, w, h);
		data.folders.forEach((folder, f) => {
			const first = points.find((p) => p.f === f && p.at && !p.outlier);
			if (folder.shown && first && (!data.lit || data.lit === folder)) label(pen, folder.path.split("/").pop() || "(site)", first.at[0], first.at[1], w);
		});
		if (hovered && hovered.at) {
			pen.strokeStyle = "#1d2733";
			pen.lineWidth = 2;
			pen.beginPath(); pen.arc(hovered.at[0], hovered.at[1], 8, 0, 7); pen.stroke();
			if (hovered.direction !== null) {
				const a = hovered.direction * Math.PI / 180, r = 22 / scale, to = place(hovered.x + Math.sin(a) * r, hovered.y + Math.cos(a) * r, hovered.z, w, h);
				pen.beginPath(); pen.moveTo(...hovered.at); pen.lineTo(...to); pen.stroke();
			}
		}
		if (all.length) scaleBar(pen, w, h);
		drawProfile();
	}

	/* What is under the pointer. */
	const tell = (p, event) => {
		const tip = $("tip");
		hovered = p;
		tip.style.display = p ? "block" : "none";
		if (!p) return;
		tip.textContent = "";
		element("b", p.name, tip);
		element("span", (p.folder.path || "(site)") + " \u00b7 " + p.folder.class, tip);
		element("span", p.lat.toFixed(6) + ", " + p.lon.toFixed(6), tip);
		if (p.alt !== null) element("span", "altitude " + p.alt.toFixed(1) + " m", tip);
		if (p.height !== null) element("span", "above take-off " + p.height.toFixed(1) + " m", tip);
		if (p.direction !== null) element("span", "direction " + p.direction.toFixed(0) + "\u00b0", tip);
		if (p.time) element("span", p.time, tip);
		if (p.outlier) element("span", "far from the others", tip);
		const box = tip.getBoundingClientRect();
		tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8)) + "px";
		tip.style.top = Math.max(4, event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 12 : event.clientY + 18) + "px";
	};
	const nearest = (x, y) => {
		let best = null, least = 14 * 14;
		points.forEach((p) => {
			const d = p.at ? (p.at[0] - x) * (p.at[0] - x) + (p.at[1] - y) * (p.at[1] - y) : least;
			if (d < least) { least = d; best = p; }
		});
		return best;
	};
	const view = $("view");
	let drag = null;
	view.addEventListener("pointerdown", (e) => { drag = [e.clientX, e.clientY]; view.setPointerCapture(e.pointerId); view.className = "moving"; });
	view.addEventListener("pointerup", () => { drag = null; view.className = ""; });
	view.addEventListener("pointermove", (e) => {
		if (drag) {
			const dx = e.clientX - drag[0], dy = e.clientY - drag[1];
			if (solid && !e.shiftKey) { yaw += dx * 0.008; pitch = Math.min(Math.PI / 2, Math.max(0.1, pitch + dy * 0.006)); }
			else { panX += dx; panY += dy; }
			drag = [e.clientX, e.clientY];
			tell(null);
		} else {
			const box = view.getBoundingClientRect(), before = hovered;
			tell(nearest(e.clientX - box.left, e.clientY - box.top), e);
			if (before === hovered) return;
		}
		draw();
	});
	view.addEventListener("pointerleave", () => { tell(null); draw(); });
	view.addEventListener("wheel", (e) => {
		const box = view.getBoundingClientRect(), factor = Math.exp(-e.deltaY * 0.0015);
		const x = e.clientX - box.left - box.width / 2, y = e.clientY - box.top - box.height / 2;
		panX = x - (x - panX) * factor;
		panY = y - (y - panY) * factor;
		scale *= factor;
		e.preventDefault();
		draw();
	}, { passive: false });
	$("heights").addEventListener("pointermove", (e) => {
		const x = e.clientX - $("heights").getBoundingClientRect().left;
		let best = null;
		points.forEach((p) => { if (p.px !== undefined && p.folder.shown && !p.outlier && (!best || Math.abs(p.px - x) < Math.abs(best.px - x))) best = p; });
		if (best !== hovered) { tell(best, e); draw(); }
	});
	$("heights").addEventListener("pointerleave", () => { tell(null); draw(); });
	const look = (is3d) => {
		solid = is3d;
		yaw = is3d ? -0.6 : 0;
		pitch = is3d ? 0.62 : Math.PI / 2;
		$("flat").setAttribute("aria-pressed", !is3d);
		$("solid").setAttribute("aria-pressed", is3d);
		$("help").textContent = is3d ? "drag to turn, shift and drag to move, wheel to zoom" : "drag to move, wheel to zoom, hover for a photo";
		fit();
		draw();
	};
	$("flat").addEventListener("click", () => look(false));
	$("solid").addEventListener("click", () => look(true));
	$("fit").addEventListener("click", () => { fit(); draw(); });
	addEventListener("resize", () => { fit(); draw(); });
	look(location.hash === "#3d");
	document.documentElement.dataset.drawn = points.length;
})();
</script>
</body>
</html>
$page$;
COMMENT ON FUNCTION trident.flight_page(text, json) IS
	'the page of trident_flight_path with that title and data';
