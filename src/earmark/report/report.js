"use strict";
(() => {
  const all = (query, root = document) => Array.from(root.querySelectorAll(query));
  const search = document.getElementById("search");
  const tables = all("table.tags");

  function open(button, wanted) {
    const detail = button.closest("tr").nextElementSibling;
    button.setAttribute("aria-expanded", String(wanted));
    detail.hidden = !wanted;
  }

  function filter() {
    const words = search.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0, total = 0;
    for (const row of all("tr.tag")) {
      const text = row.dataset.search.toLocaleLowerCase();
      const fits = words.every((word) => text.includes(word));
      row.hidden = !fits;
      const button = row.querySelector("button.open");
      if (button) row.nextElementSibling.hidden = !fits || button.getAttribute("aria-expanded") !== "true";
      shown += fits; total += 1;
    }
    for (const table of tables) {
      table.closest(".block").hidden = !all("tr.tag", table).some((row) => !row.hidden);
    }
    document.getElementById("shown").textContent = shown === total ? `${total} tags` : `${shown} of ${total} tags`;
  }

  function sort(header) {
    const table = header.closest("table"), body = table.tBodies[0];
    const column = Array.from(header.parentNode.children).indexOf(header);
    const numeric = header.dataset.kind === "number";
    // Numbers begin with the highest, names with A.
    const before = header.getAttribute("aria-sort");
    const rising = before === "none" ? !numeric : before === "descending";
    for (const other of all("th[aria-sort]", table)) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const key = (row) => row.children[column].dataset.value;
    const rows = all("tr.tag", body);
    rows.sort((one, two) => {
      const x = key(one), y = key(two);
      if (x === "" || y === "") return (x === "") - (y === ""); // what is undefined comes last, either way
      const order = numeric ? Number(x) - Number(y) : x.localeCompare(y);
      return rising ? order : -order;
    });
    for (const row of rows) {
      const detail = row.nextElementSibling && row.nextElementSibling.classList.contains("detail") ? row.nextElementSibling : null;
      body.append(row);
      if (detail) body.append(detail);
    }
  }

  if (search) {
    search.addEventListener("input", filter);
    search.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { search.value = ""; filter(); }
    });
    document.addEventListener("keydown", (event) => {
      const typing = /^(INPUT|TEXTAREA|SELECT|AUDIO)$/.test(event.target.tagName);
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); search.focus(); }
    });
    filter();
  }
  for (const button of all("th[aria-sort] button")) button.addEventListener("click", () => sort(button.parentNode));
  for (const button of all("button.open")) {
    button.addEventListener("click", () => open(button, button.getAttribute("aria-expanded") !== "true"));
  }

  const players = all("audio");
  for (const player of players) {
    player.addEventListener("play", () => { for (const other of players) if (other !== player) other.pause(); });
    player.addEventListener("error", () => {
      const note = document.createElement("p");
      note.className = "caption";
      note.textContent = "The audio file cannot be played from here.";
      player.replaceWith(note);
    });
  }

  const theme = document.getElementById("theme");
  if (theme) theme.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
})();
