"use strict";
// The songs of the library, in columns: what they are called, where they are, what they sound like.

const library = JSON.parse(document.getElementById("library").textContent);
const N = library.x.length;
const CATEGORIES = { genre: "Genres", mood: "Moods", instrument: "Instruments", voice: "Voices", tempo: "Tempo", decade: "Decades", other: "Other" };

const songs = {
  path: (i) => library.folder + library.path[i],
  title: (i) => library.title[i] || library.path[i].split(library.separator).pop().replace(/\.[^.]*$/, "") || library.path[i],
  artist: (i) => library.artist[i] || "",
  // tempo and key, where they are known
  measures: (i) => [library.bpm[i] === null ? null : library.bpm[i].toFixed(1), library.key[i]].filter((text) => text !== null),
  name: (i) => (songs.artist(i) ? `${songs.artist(i)} \u2013 ${songs.title(i)}` : songs.title(i)),
  // [tag, score in percent], highest first
  tags: (i) => library.tags[i].map(([tag, score]) => [library.names[tag].name, score]),
  url: (i) => library.url + percentEncoded(library.path[i].split(library.separator).join("/")),
};

const clock = (seconds) => {
  const s = Math.round(seconds || 0), two = (n) => String(n).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
};
const counted = (n) => `${n.toLocaleString("en")} ${n === 1 ? "song" : "songs"}`;

// Names of files are bytes. Those that are not UTF-8 come as lone surrogates U+DC80 to U+DCFF, as in Python.
function bytesOf(text) {
  const encoder = new TextEncoder(), out = [];
  for (const letter of text) {
    const code = letter.codePointAt(0);
    if (code >= 0xdc80 && code <= 0xdcff) out.push(code - 0xdc00);
    else out.push(...encoder.encode(letter));
  }
  return Uint8Array.from(out);
}

function percentEncoded(path) {
  return Array.from(bytesOf(path), (byte) => {
    const letter = String.fromCharCode(byte);
    return /[A-Za-z0-9/._~-]/.test(letter) ? letter : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

function playlist(list) {
  const lines = ["#EXTM3U"];
  for (const i of list) {
    const seconds = library.seconds[i] === null ? -1 : Math.round(library.seconds[i]);
    const name = library.artist[i] && library.title[i] ? `${library.artist[i]} - ${library.title[i]}` : songs.title(i);
    const path = songs.path(i);
    lines.push(`#EXTINF:${seconds},${name.split(/\s+/).join(" ")}`, path.startsWith("#") ? `./${path}` : path);
  }
  return bytesOf(`${lines.join("\n")}\n`);
}

// Search: all words, in any order, without regard to case and accents.
const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
let folded = null;
function search(query) {
  const words = fold(query).split(/\s+/).filter(Boolean);
  if (!words.length) return null;
  folded ??= library.path.map((path, i) =>
    fold([path, library.artist[i], library.title[i], library.album[i], library.key[i], ...songs.tags(i).map(([name]) => name)].join("\n")));
  return Uint8Array.from(folded, (text) => (words.every((word) => text.includes(word)) ? 1 : 0));
}

// A walk: each song is followed by the nearest one that is left.
const LONGEST_WALK = 3000;
function walk(list, x, y) {
  if (list.length > LONGEST_WALK) return list;
  const left = [...list], out = [];
  while (left.length) {
    let best = 0, least = Infinity;
    for (let k = 0; k < left.length; k++) {
      const dx = library.x[left[k]] - x, dy = library.y[left[k]] - y, far = dx * dx + dy * dy;
      if (far < least) { least = far; best = k; }
    }
    const [next] = left.splice(best, 1);
    out.push(next);
    x = library.x[next]; y = library.y[next];
  }
  return out;
}

// Colours: classes of songs, each with a colour, and the class of each song (-1: none).
const PALETTE = ["#4c78f0", "#f08c2e", "#2fa866", "#e0484d", "#a06cf0", "#16a5b8", "#d8559c", "#a07d62", "#b5a11c", "#6f8f3a"];
const RAMP = ["#5a4fcf", "#3f7fd6", "#1fa6b5", "#34b77c", "#8fc447", "#e0c12f", "#f59b2c", "#ee6a3c"];

function byCategory(category) {
  const mine = library.tags.map((tags) => tags.map(([tag]) => tag).filter((tag) => library.names[tag].category === category));
  const counts = new Map();
  for (const [first] of mine) if (first !== undefined) counts.set(first, (counts.get(first) || 0) + 1);
  const top = [...counts].sort((a, b) => b[1] - a[1]).slice(0, PALETTE.length).map(([tag]) => tag);
  const of = Int16Array.from(mine, (tags) => { const found = tags.find((tag) => top.includes(tag)); return found === undefined ? -1 : top.indexOf(found); });
  return { of, named: true, classes: top.map((tag, k) => ({ name: library.names[tag].name, colour: PALETTE[k], n: of.filter((c) => c === k).length })) };
}

// Keys, in the order of the wheel: one hue at each place of it, minor ones darker.
function byKey(keys) {
  const place = (key) => 2 * Number.parseInt(key, 10) + (key.endsWith("B") ? 1 : 0);
  const there = [...new Set(keys.filter((key) => key !== null))].sort((a, b) => place(a) - place(b));
  const colour = (key) => `hsl(${(Number.parseInt(key, 10) - 1) * 30} 70% ${key.endsWith("B") ? 62 : 45}%)`;
  const of = Int16Array.from(keys, (key) => there.indexOf(key));
  return { of, named: true, classes: there.map((key, k) => ({ name: key, colour: colour(key), n: of.filter((c) => c === k).length })) };
}

function byScore(scores, unit = "%") {
  const known = scores.filter((score) => score >= 0);
  const least = known.reduce((a, b) => Math.min(a, b), Infinity), most = known.reduce((a, b) => Math.max(a, b), 0);
  const of = Int16Array.from(scores, (score) => (score < 0 ? -1 : Math.min(RAMP.length - 1, Math.floor(((score - least) / (most - least || 1)) * RAMP.length))));
  return { of, named: false, unit, ends: known.length ? [least, most] : [0, 0], classes: RAMP.map((colour) => ({ name: "", colour, n: 0 })) };
}

function colouring(choice) {
  const [kind, name] = [choice.slice(0, choice.indexOf(":")), choice.slice(choice.indexOf(":") + 1)];
  if (kind === "category") return byCategory(name);
  if (choice === "measure:bpm") return byScore(library.bpm.map((bpm) => (bpm === null ? -1 : bpm)), "BPM");
  if (choice === "measure:key") return byKey(library.key);
  if (kind === "degree") return byScore(library.degrees[name]);
  const wanted = library.names.findIndex((tag) => tag.name === name);
  return byScore(library.tags.map((tags) => (tags.find(([tag]) => tag === wanted) || [0, -1])[1]));
}
