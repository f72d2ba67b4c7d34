// The canvas: where songs are drawn, and which one is where.

const SIZE = 10000; // places are 0..SIZE in both directions
const CELLS = 64;

class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.scale = 0; this.left = 0; this.top = 0;
    this.cells = Array.from({ length: CELLS * CELLS }, () => []);
    for (let i = 0; i < N; i++) this.cells[this.cell(library.y[i]) * CELLS + this.cell(library.x[i])].push(i);
    this.waiting = false;
  }

  cell(place) { return Math.max(0, Math.min(CELLS - 1, Math.floor((place / SIZE) * CELLS))); }
  px(i) { return library.x[i] * this.scale + this.left; }
  py(i) { return library.y[i] * this.scale + this.top; }
  place(px, py) { return [(px - this.left) / this.scale, (py - this.top) / this.scale]; }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas, dense = window.devicePixelRatio || 1;
    const centre = this.scale ? this.place(this.width / 2, this.height / 2) : null, before = this.whole;
    this.width = width; this.height = height; this.dense = dense;
    this.canvas.width = Math.round(width * dense) || 1; this.canvas.height = Math.round(height * dense) || 1;
    this.pixels = new ImageData(this.canvas.width, this.canvas.height);
    this.whole = Math.max(0.001, Math.min(width - 30, height - 100) / SIZE);
    this.radius = (N <= 500 ? 5 : N <= 3000 ? 4 : N <= 10000 ? 3 : 2.2) * (Math.min(width, height) < 500 ? 0.65 : 1);
    if (!centre) return this.fit();
    this.scale *= this.whole / before;
    this.centre(...centre);
  }

  fit() { this.scale = this.whole; this.centre(SIZE / 2, SIZE / 2); this.pan(0, -25); } // above the legend
  centre(x, y) { this.left = this.width / 2 - x * this.scale; this.top = this.height / 2 - y * this.scale; this.redraw(); }
  pan(dx, dy) { this.left += dx; this.top += dy; this.redraw(); }

  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const scale = Math.max(this.whole / 2, Math.min(this.whole * 200, this.scale * factor)), by = scale / this.scale;
    this.left = px - (px - this.left) * by; this.top = py - (py - this.top) * by; this.scale = scale;
    this.redraw();
  }

  reveal(i) {
    const px = this.px(i), py = this.py(i), edge = 40;
    if (px < edge || py < edge || px > this.width - edge || py > this.height - edge) this.centre(library.x[i], library.y[i]);
  }

  // The song nearest to a pixel, no further than some pixels; null for none.
  at(px, py, farthest) {
    const [x, y] = this.place(px, py), reach = farthest / this.scale;
    let best = null, least = farthest * farthest;
    for (let row = this.cell(y - reach); row <= this.cell(y + reach); row++) {
      for (let column = this.cell(x - reach); column <= this.cell(x + reach); column++) {
        for (const i of this.cells[row * CELLS + column]) {
          const dx = this.px(i) - px, dy = this.py(i) - py, far = dx * dx + dy * dy;
          if (far <= least && state.isShown(i)) { least = far; best = i; }
        }
      }
    }
    return best;
  }

  // The next song in a direction: near, and not too far to the side.
  beside(i, dx, dy) {
    let best = null, least = Infinity;
    for (let k = 0; k < N; k++) {
      const x = library.x[k] - library.x[i], y = library.y[k] - library.y[i];
      const along = x * dx + y * dy, aside = Math.abs(x * dy - y * dx);
      if (along > 0 && along >= aside && along + 2 * aside < least && state.isShown(k)) { least = along + 2 * aside; best = k; }
    }
    return best;
  }

  // Songs inside a polygon of places, by the number of edges to their left.
  inside(polygon) {
    const found = [];
    for (let i = 0; i < N; i++) {
      const x = library.x[i], y = library.y[i];
      let isIn = false;
      for (let a = 0, b = polygon.length - 1; a < polygon.length; b = a++) {
        const [ax, ay] = polygon[a], [bx, by] = polygon[b];
        if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) isIn = !isIn;
      }
      if (isIn && state.isShown(i)) found.push(i);
    }
    return found;
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.draw(); });
  }

  draw() {
    const c = this.context, css = getComputedStyle(document.documentElement), of = (name) => css.getPropertyValue(name);
    const [ink, none, halo, accent] = [of("--ink"), of("--none"), of("--halo"), of("--accent")];
    const zoom = this.scale / this.whole, radius = this.radius * Math.min(2.6, Math.max(1, zoom) ** 0.4);
    this.pixels.data.fill(0);
    const { classes, of: group } = state.colours;
    const layers = Array.from({ length: classes.length + 2 }, () => []); // 0: not shown, 1: no class
    const visible = [];
    for (let i = 0; i < N; i++) {
      const px = this.px(i), py = this.py(i);
      if (px < -radius || py < -radius || px > this.width + radius || py > this.height + radius) continue;
      if (!state.isShown(i)) layers[0].push(i);
      else { layers[group[i] + 2].push(i); visible.push(i); }
    }
    this.dots(layers[0], radius * 0.7, none, 0.25);
    this.dots(layers[1], radius, none, 0.75);
    classes.forEach(({ colour }, k) => this.dots(layers[k + 2], radius, colour, 0.9));
    c.putImageData(this.pixels, 0, 0);
    c.setTransform(this.dense, 0, 0, this.dense, 0, 0);
    this.rings([...state.selected], radius + 1, ink, 1.2);
    if (state.playing !== null) this.rings([state.playing], radius + 5, accent, 3);
    for (const i of new Set([state.hovered, state.focused])) if (i !== null) this.rings([i], radius + 3, ink, 2.2);
    if (visible.length <= 40) this.titles(visible, radius, ink, halo);
    else if (state.colours.named) this.names(layers, ink, halo);
    if (state.polygon) this.outline(accent);
  }

  // Dots are put together from pixels: thousands of circles take the canvas ten times as long where no graphics card helps.
  dots(members, radius, colour, opacity) {
    const { data, width, height } = this.pixels, size = radius * this.dense, reach = Math.ceil(size);
    const rgb = [1, 3, 5].map((at) => Number.parseInt(colour.trim().slice(at, at + 2), 16));
    const stamp = [];
    for (let y = -reach; y <= reach; y++) {
      for (let x = -reach; x <= reach; x++) {
        const cover = Math.max(0, Math.min(1, size + 0.5 - Math.hypot(x, y))) * opacity;
        if (cover > 0) stamp.push([x, y, cover]);
      }
    }
    for (const i of members) {
      const cx = Math.round(this.px(i) * this.dense), cy = Math.round(this.py(i) * this.dense);
      for (const [dx, dy, cover] of stamp) {
        const x = cx + dx, y = cy + dy;
        if (x < 0 || y < 0 || x >= width || y >= height) continue;
        const at = 4 * (y * width + x), below = (data[at + 3] / 255) * (1 - cover), sum = cover + below;
        for (let k = 0; k < 3; k++) data[at + k] = (rgb[k] * cover + data[at + k] * below) / sum;
        data[at + 3] = 255 * sum;
      }
    }
  }

  rings(members, radius, colour, width) {
    const c = this.context;
    c.strokeStyle = colour; c.lineWidth = width;
    c.beginPath();
    for (const i of members) { const px = this.px(i), py = this.py(i); c.moveTo(px + radius, py); c.arc(px, py, radius, 0, 2 * Math.PI); }
    c.stroke();
  }

  text(words, px, py, ink, halo) {
    const c = this.context;
    c.lineJoin = "round"; c.lineWidth = 4; c.strokeStyle = halo; c.strokeText(words, px, py);
    c.fillStyle = ink; c.fillText(words, px, py);
  }

  // Titles of the few songs that are in sight; of two that would overlap, the first.
  titles(members, radius, ink, halo) {
    const c = this.context, taken = [];
    c.font = "12px system-ui, sans-serif"; c.textAlign = "left"; c.textBaseline = "middle";
    for (const i of members) {
      const title = songs.title(i), short = title.length > 34 ? `${title.slice(0, 33)}\u2026` : title;
      const px = this.px(i) + radius + 5, py = this.py(i), wide = c.measureText(short).width;
      if (taken.some(([x, y, w]) => Math.abs(y - py) < 15 && x < px + wide && px < x + w)) continue;
      taken.push([px, py, wide]);
      this.text(short, px, py, ink, halo);
    }
  }

  // The name of each class where most of it is; of two that would overlap, that of the larger one.
  names(layers, ink, halo) {
    const c = this.context, taken = [], step = 70;
    c.font = "600 15px system-ui, sans-serif"; c.textAlign = "center"; c.textBaseline = "middle";
    const order = state.colours.classes.map((one, k) => [k, layers[k + 2]]).filter(([, members]) => members.length >= Math.max(3, N / 200));
    for (const [k, members] of order.sort((a, b) => b[1].length - a[1].length)) {
      const cells = new Map();
      for (const i of members) {
        const key = `${Math.floor(this.px(i) / step)} ${Math.floor(this.py(i) / step)}`;
        if (!cells.has(key)) cells.set(key, []);
        cells.get(key).push(i);
      }
      const densest = [...cells.values()].reduce((a, b) => (b.length > a.length ? b : a));
      const mean = (at) => densest.reduce((sum, i) => sum + at(i), 0) / densest.length;
      const name = state.colours.classes[k].name, wide = c.measureText(name).width / 2 + 6;
      const px = Math.max(wide, Math.min(this.width - wide, mean((i) => this.px(i)))), py = Math.max(14, mean((i) => this.py(i)) - 14); // above it
      if (taken.some(([x, y, w]) => Math.abs(x - px) < w + wide && Math.abs(y - py) < 20)) continue;
      taken.push([px, py, wide]);
      this.text(name, px, py, ink, halo);
    }
  }

  outline(colour) {
    const c = this.context;
    c.beginPath();
    for (const [x, y] of state.polygon) c.lineTo(x * this.scale + this.left, y * this.scale + this.top);
    c.closePath();
    c.globalAlpha = 0.12; c.fillStyle = colour; c.fill();
    c.globalAlpha = 1; c.strokeStyle = colour; c.lineWidth = 2; c.setLineDash([6, 4]); c.stroke(); c.setLineDash([]);
  }
}
