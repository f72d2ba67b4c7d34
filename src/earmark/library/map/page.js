// What a person does, and what is shown then.

const $ = (id) => document.getElementById(id);
const made = (name, text = "", props = {}) => Object.assign(document.createElement(name), { textContent: text }, props);
const LISTED = 200;

const state = {
  colours: null, // of colouring()
  only: null, // class that is shown alone
  found: null, // Uint8Array of what the search finds
  selected: new Set(),
  start: [0, SIZE / 2], // where the walk through the list begins
  list: [],
  hovered: null, focused: null, playing: null,
  polygon: null, // of places, while it is drawn
  isLasso: false,
  isShown: (i) => (!state.found || state.found[i] === 1) && (state.only === null || state.colours.of[i] === state.only),
};
const view = new View($("map"));

// Colours ----------------------------------------------------------------------------------------------

function fillColours() {
  const counts = new Map();
  for (const tags of library.tags) for (const [tag] of tags) counts.set(tag, (counts.get(tag) || 0) + 1);
  const categories = Object.keys(CATEGORIES).filter((category) => [...counts.keys()].some((tag) => library.names[tag].category === category));
  const groups = [
    ["By", categories.map((category) => [`category:${category}`, CATEGORIES[category]])],
    ["Tempo and key", [["bpm", "tempo"], ["key", "key"]].filter(([name]) => library[name].some((value) => value !== null))
      .map(([name, text]) => [`measure:${name}`, text])],
    ["Degrees", Object.keys(library.degrees).map((name) => [`degree:${name}`, name])],
    ...categories.map((category) => [`One of: ${CATEGORIES[category].toLowerCase()}`,
      [...counts].filter(([tag]) => library.names[tag].category === category).sort((a, b) => b[1] - a[1])
        .map(([tag, n]) => [`tag:${library.names[tag].name}`, `${library.names[tag].name} (${n})`])]),
  ];
  for (const [label, options] of groups) {
    if (!options.length) continue;
    const group = made("optgroup", "", { label });
    group.append(...options.map(([value, text]) => made("option", text, { value })));
    $("colour").append(group);
  }
}

function colour() {
  state.colours = $("colour").value ? colouring($("colour").value) : { of: new Int16Array(N).fill(-1), named: true, classes: [] };
  state.only = null;
  legend();
  refresh();
}

function legend() {
  const { classes, named, ends, unit } = state.colours;
  if (!named) {
    const ramp = made("div", "", { className: "ramp" }), bar = made("i");
    bar.style.background = `linear-gradient(90deg, ${RAMP.join(",")})`;
    ramp.append(made("span", `${ends[0]} ${unit}`), bar, made("span", `${ends[1]} ${unit}`));
    $("legend").replaceChildren(ramp);
    return;
  }
  $("legend").replaceChildren(...classes.map((one, k) => {
    const button = made("button", "", { type: "button", title: "Show these alone" }), dot = made("i");
    button.setAttribute("aria-pressed", String(state.only === k));
    dot.style.background = one.colour;
    button.append(dot, one.name, made("span", one.n.toLocaleString("en"), { className: "n" }));
    button.onclick = () => { state.only = state.only === k ? null : k; legend(); refresh(); $("legend").children[k].focus(); };
    return button;
  }));
}

// The list -----------------------------------------------------------------------------------------------

function refresh() {
  const all = state.selected.size ? [...state.selected] : state.found || state.only !== null ? [...Array(N).keys()].filter(state.isShown) : [];
  state.list = walk(all, ...state.start);
  $("found").textContent = state.found ? state.found.reduce((sum, one) => sum + one, 0).toLocaleString("en") : "";
  $("songs").hidden = !all.length;
  $("help").hidden = all.length > 0;
  const seconds = all.reduce((sum, i) => sum + (library.seconds[i] || 0), 0);
  $("summary").textContent = `${counted(all.length)}${state.selected.size ? " selected" : ""}, ${clock(seconds)}`;
  $("list").replaceChildren(...state.list.slice(0, LISTED).map(row));
  const more = state.list.length - LISTED;
  $("more").textContent = more > 0 ? `and ${counted(more)} more, which are saved, too` : "";
  view.redraw();
}

function row(i) {
  const item = made("li", "", { className: i === state.playing ? "current" : "" });
  item.dataset.song = i;
  const song = made("button", "", { type: "button", className: "song", title: songs.path(i) });
  const length = [...songs.measures(i), ...(library.seconds[i] === null ? [] : [clock(library.seconds[i])])].join(" \u00b7 ");
  song.append(made("span", songs.title(i)), made("span", length, { className: "length" }), made("span", songs.artist(i), { className: "artist" }));
  song.onclick = () => play(i);
  song.onmouseenter = song.onfocus = () => { state.hovered = i; view.redraw(); };
  song.onmouseleave = song.onblur = () => { state.hovered = null; view.redraw(); };
  item.append(song);
  if (state.selected.size) {
    const remove = made("button", "\u00d7", { type: "button", className: "remove" });
    remove.setAttribute("aria-label", `Remove ${songs.name(i)}`);
    remove.onclick = () => { state.selected.delete(i); refresh(); };
    item.append(remove);
  }
  return item;
}

function select(list, adds = false) {
  state.selected = new Set(adds ? [...state.selected, ...list] : list);
  refresh();
}

function clear() {
  state.selected.clear(); state.polygon = null; state.only = null; state.found = null; state.focused = null;
  $("search").value = "";
  legend();
  refresh();
}

function save() {
  const broken = state.list.filter((i) => /[\n\r]/.test(songs.path(i))); // no playlist can hold such a name
  const list = state.list.filter((i) => !broken.includes(i));
  const url = URL.createObjectURL(new Blob([playlist(list)], { type: "audio/x-mpegurl" }));
  made("a", "", { href: url, download: "playlist.m3u8" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  announce(`${counted(list.length)} saved${broken.length ? `; ${broken.length} left out: a line break in the file's name` : ""}`);
}

// Playing ------------------------------------------------------------------------------------------------

function play(i) {
  state.playing = i;
  $("player").hidden = false;
  $("playing").textContent = songs.name(i);
  $("trouble").textContent = "";
  $("audio").src = songs.url(i);
  $("audio").play().catch(() => {}); // "error" says why
  for (const item of $("list").children) item.classList.toggle("current", Number(item.dataset.song) === i);
  const place = state.list.indexOf(i);
  $("previous").disabled = place < 1;
  $("next").disabled = place < 0 || place === state.list.length - 1;
  announce(`Playing ${songs.name(i)}`);
  view.redraw();
}

function step(by) {
  const place = state.list.indexOf(state.playing);
  if (place >= 0 && state.list[place + by] !== undefined) play(state.list[place + by]);
}

// Pointer and keyboard -----------------------------------------------------------------------------------

const announce = (text) => { $("live").textContent = text; };

function tip(i, px = 0, py = 0) {
  $("tip").hidden = i === null;
  if (i === null) return;
  const chips = made("div", "", { className: "chips" });
  chips.append(...songs.tags(i).slice(0, 6).map(([name, score]) => made("span", `${name} ${score}`)));
  $("tip").replaceChildren(made("b", songs.title(i)), made("span", songs.artist(i)), made("span", library.album[i] || "", { className: "muted" }), chips);
  const { offsetWidth: wide, offsetHeight: high } = $("tip");
  const left = px + 16 + wide > view.width ? Math.max(4, px - 16 - wide) : px + 16;
  $("tip").style.transform = `translate(${left}px, ${Math.max(4, Math.min(view.height - high - 4, py + 12))}px)`;
}

function hover(i, px, py) {
  if (i !== state.hovered) { state.hovered = i; view.redraw(); }
  $("map").classList.toggle("over", i !== null && !state.isLasso);
  tip(i, px, py);
}

function focus(i) {
  if (i === null) return;
  state.focused = i;
  view.reveal(i);
  tip(i, view.px(i), view.py(i));
  announce(`${songs.name(i)}: ${songs.tags(i).slice(0, 4).map(([name]) => name).join(", ")}${state.selected.has(i) ? "; selected" : ""}`);
  view.redraw();
}

function useLasso(wanted) {
  state.isLasso = wanted;
  $("move").setAttribute("aria-pressed", String(!wanted));
  $("lasso").setAttribute("aria-pressed", String(wanted));
  $("map").classList.toggle("lasso", wanted);
}

const fingers = new Map();
let gesture = null; // {moved, lasso, adds} of the first finger

function pointers(canvas) {
  const at = (event) => [event.offsetX, event.offsetY];
  canvas.onpointerdown = (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    if (fingers.size > 1) { gesture = null; state.polygon = null; return; } // two fingers zoom
    const lasso = state.isLasso || event.shiftKey;
    gesture = { from: at(event), moved: false, lasso, adds: event.ctrlKey || event.metaKey };
    if (lasso) state.polygon = [view.place(...at(event))];
  };
  canvas.onpointermove = (event) => {
    const before = fingers.get(event.pointerId), [px, py] = at(event);
    if (!before) return event.pointerType === "mouse" && hover(view.at(px, py, 14), px, py);
    if (fingers.size === 2) {
      const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const apart = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) || 1;
      view.zoom(apart([px, py], other) / apart(before, other), (px + other[0]) / 2, (py + other[1]) / 2);
      view.pan((px - before[0]) / 2, (py - before[1]) / 2);
    } else if (gesture) {
      gesture.moved ||= Math.hypot(px - gesture.from[0], py - gesture.from[1]) > 4;
      if (gesture.lasso) { state.polygon.push(view.place(px, py)); view.redraw(); }
      else if (gesture.moved) { canvas.classList.add("dragged"); view.pan(px - before[0], py - before[1]); }
      if (gesture.moved) tip(null);
    }
    fingers.set(event.pointerId, [px, py]);
  };
  const up = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    canvas.classList.remove("dragged");
    const done = gesture, polygon = state.polygon;
    gesture = null; state.polygon = null;
    if (!done || event.type === "pointercancel") return view.redraw();
    if (done.moved && done.lasso) {
      state.start = polygon[0];
      return select(view.inside(polygon), done.adds);
    }
    if (done.moved) return;
    const hit = view.at(...at(event), event.pointerType === "mouse" ? 14 : 24);
    if (hit === null) return tip(null);
    if (done.adds || done.lasso) return select(state.selected.has(hit) ? [...state.selected].filter((i) => i !== hit) : [...state.selected, hit]);
    state.focused = hit;
    tip(hit, view.px(hit), view.py(hit));
    play(hit);
  };
  canvas.onpointerup = canvas.onpointercancel = up;
  canvas.onpointerleave = () => hover(null);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : event.ctrlKey ? 0.01 : 0.0018)), ...at(event));
    tip(null);
  }, { passive: false });
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { key } = event, typing = event.target.matches("input, select");
  if (key === "Escape") { clear(); tip(null); return; }
  if (typing) return;
  const onMap = event.target === $("map");
  if (key === "/") $("search").focus();
  else if (key === "+" || key === "=") view.zoom(1.4);
  else if (key === "-") view.zoom(1 / 1.4);
  else if (key === "0") view.fit();
  else if (key === "l" || key === "L") useLasso(true);
  else if (key === "m" || key === "M") useLasso(false);
  else if (onMap && ARROWS[key]) focus(state.focused === null ? view.at(view.width / 2, view.height / 2, Infinity) : view.beside(state.focused, ...ARROWS[key]));
  else if (onMap && key === "Enter" && state.focused !== null) play(state.focused);
  else if (onMap && key === " " && state.focused !== null) {
    select(state.selected.has(state.focused) ? [...state.selected].filter((i) => i !== state.focused) : [...state.selected, state.focused]);
    focus(state.focused);
  } else return;
  event.preventDefault();
}

// Light and dark, and the beginning ------------------------------------------------------------------------

function theme(name) { document.documentElement.dataset.theme = name; view.redraw(); }
const dark = matchMedia("(prefers-color-scheme: dark)");
dark.onchange = () => theme(dark.matches ? "dark" : "light");
document.documentElement.dataset.theme = dark.matches ? "dark" : "light";

fillColours();
pointers($("map"));
$("colour").onchange = colour;
$("search").oninput = () => { state.found = search($("search").value); state.selected.clear(); refresh(); };
$("search").onkeydown = (event) => { if (event.key === "Enter" && state.list.length) focus(state.list[0]); };
$("move").onclick = () => useLasso(false);
$("lasso").onclick = () => useLasso(true);
$("in").onclick = () => view.zoom(1.4);
$("out").onclick = () => view.zoom(1 / 1.4);
$("fit").onclick = () => view.fit();
$("theme").onclick = () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
$("save").onclick = save;
$("clear").onclick = clear;
$("previous").onclick = () => step(-1);
$("next").onclick = () => step(1);
$("audio").onended = () => step(1);
$("audio").onerror = () => { $("trouble").textContent = `This browser cannot play ${songs.path(state.playing)}: it is gone, or in a format that it does not know.`; };
document.onkeydown = keys;
new ResizeObserver(() => view.resize()).observe($("map"));
view.resize();
colour();
