"use strict";
// Draws the leaderboard from the page's own JSON (sort, filter, columns, pages) and the charts.

(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const PAGE = 25;
  const ABSENT = "\u2013", NOT_MEASURED = "not measured";
  const form = document.getElementById("board-controls");
  const table = document.getElementById("board");

  const amount = (value) => {
    if (value === null) return NOT_MEASURED;
    if (Number.isInteger(value) || value >= 100) return Math.round(value).toLocaleString("en");
    return value < 0.005 ? "< 0.01" : value.toFixed(value >= 10 ? 1 : 2);
  };

  const make = (name, className, ...children) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...children);
    return element;
  };
  const draw = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };

  const board = read("board-data");
  const columns = read("board-columns").map(([key, label, kind]) => ({ key, label, kind }));
  const at = Object.fromEntries(board.columns.map((name, place) => [name, place]));
  const value = (row, name) => (name in board.words ? board.words[name][row[at[name]]] : row[at[name]]);
  const title = (row) => value(row, "attack") || [value(row, "observer"), value(row, "distance"), value(row, "classifier")].join(" \u00b7 ");
  const haystack = new Map(board.rows.map((row) => [row, Object.keys(board.words).map((name) => value(row, name)).join(" ").toLowerCase()]));

  // Measures come as they are written, so that a page reads the same with and without scripts.
  const measure = (row, name) => {
    const number = value(row, name);
    const flag = board.flags[value(row, `${name}_flag`)];
    if (number === null) return make("span", "muted", value(row, `${name}_text`));
    if (flag === "hidden") {
      const gap = make("span", "muted", ABSENT);
      gap.title = "Too few non-members for this number";
      return gap;
    }
    const text = make("span", "nobreak", make("b", "", value(row, `${name}_text`)));
    const limits = value(row, `${name}_limits`);
    if (limits) text.append(" ", make("span", "ci", limits));
    if (flag === "uncalibrated") {
      const mark = make("abbr", "", "\u2020");
      mark.title = "uncalibrated: too few non-members";
      text.append(mark);
    }
    return text;
  };
  const whisker = (row) => {
    const x = (number) => (2 + (92 * (Math.min(Math.max(number, 0.25), 1) - 0.25)) / 0.75).toFixed(1);
    const [low, high] = [value(row, "auc_low"), value(row, "auc_high")];
    if (low === null || high === null) return "";
    const picture = draw("svg", { class: "whisker", viewBox: "0 0 96 12", "aria-hidden": "true", focusable: "false" });
    picture.append(
      draw("path", { class: "chance", d: `M${x(0.5)} 0V12` }),
      draw("path", { d: `M${x(low)} 6H${x(high)}` }),
      draw("circle", { cx: x(value(row, "auc")), cy: 6, r: 3 }),
    );
    return picture;
  };
  // Long specs may break after an opening bracket or an underscore.
  const softly = (text) => text.split(/(?<=[(_])/).flatMap((part, place) => (place ? [make("wbr"), part] : [part]));
  const marks = (row) => [
    ...(value(row, "note") ? [["\u2021", value(row, "note")]] : []),
    ...board.marks[value(row, "bypass")],
  ].map(([text, meaning]) => {
    const mark = make("abbr", "", text);
    mark.title = meaning;
    return mark;
  });
  const attack = (row) => {
    const parts = ["observer", "distance", "classifier"].map((name) => value(row, name));
    const named = value(row, "attack");
    const note = value(row, "note");
    return [
      ...(named ? [make("b", "", named)] : softly(parts[0])),
      ...marks(row),
      make("span", "sub", ...softly((named ? parts : parts.slice(1)).join(" \u00b7 "))),
      ...(note ? [make("span", "sub told", `\u2021 ${note}`)] : []),
    ];
  };
  const contents = {
    rank: (row) => [String(value(row, "rank") ?? ABSENT)],
    attack,
    n_member: (row) => [`${value(row, "n_member")} / ${value(row, "n_nonmember")}`],
    queries: (row) => [amount(value(row, "queries"))],
    nfe: (row) => [amount(value(row, "nfe"))],
    seconds: (row) => [amount(value(row, "seconds"))],
    peak_mb: (row) => [amount(value(row, "peak_mb"))],
  };
  const content = (row, { key, kind }) => {
    if (kind === "measure") return key === "auc" ? [measure(row, key), whisker(row)] : [measure(row, key)];
    return contents[key] ? contents[key](row) : [String(value(row, key))];
  };

  const sorting = { key: "auc", down: true };
  let page = 0;

  const chosen = () => {
    const fields = new FormData(form);
    const wanted = [...form.querySelectorAll("select")].filter((select) => select.value).map((select) => [select.name, select.value]);
    const words = String(fields.get("search")).toLowerCase().split(/\s+/).filter(Boolean);
    const nulls = fields.has("nulls");
    return board.rows.filter(
      (row) =>
        (nulls || value(row, "role") === "attack") &&
        wanted.every(([name, text]) => String(value(row, name)) === text) &&
        words.every((word) => haystack.get(row).includes(word)),
    );
  };
  const sorted = (rows) => {
    const by = sorting.key === "attack" ? title : (row) => value(row, sorting.key);
    const sign = sorting.down ? -1 : 1;
    return rows.sort((one, other) => {
      const [a, b] = [by(one), by(other)];
      if (a === b) return 0;
      if (a === null || b === null) return a === null ? 1 : -1;
      return sign * (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
    });
  };

  // What all rows agree on is told once, above the table, and takes no column.
  const alike = (rows) =>
    rows.length ? board.alike.filter((name) => rows.every((row) => row[at[name]] === rows[0][at[name]])) : [];
  const visible = (fixed) => {
    const ticked = new Set(new FormData(form).getAll("column"));
    return columns.filter(({ key }) => ticked.has(key) && !fixed.includes(key));
  };
  const look = (kind, key) => `${kind === "text" ? "text" : "number"} c-${key.replace(".", "")}`;
  const head = (shown) => {
    const line = make("tr");
    for (const { key, label, kind } of shown) {
      const button = make("button", "", label);
      button.type = "button";
      button.addEventListener("click", () => {
        sorting.down = sorting.key === key ? !sorting.down : kind !== "text" && key !== "rank";
        sorting.key = key;
        page = 0;
        update();
        table.querySelector(`th[data-key="${key}"] button`).focus();
      });
      const cell = make("th", look(kind, key), button);
      cell.scope = "col";
      cell.dataset.key = key;
      if (sorting.key === key) cell.setAttribute("aria-sort", sorting.down ? "descending" : "ascending");
      line.append(cell);
    }
    table.tHead.replaceChildren(line);
  };
  const body = (rows, shown) => {
    const lines = rows.map((row) => {
      const line = make("tr");
      for (const { key, kind } of shown) {
        const cell = make(key === "attack" ? "th" : "td", look(kind, key));
        if (key === "attack") cell.scope = "row";
        cell.append(...content(row, { key, kind }));
        line.append(cell);
      }
      return line;
    });
    if (!lines.length) {
      const cell = make("td", "", "No row matches. Clear a filter.");
      cell.colSpan = Math.max(1, shown.length);
      lines.push(make("tr", "", cell));
    }
    table.tBodies[0].replaceChildren(...lines);
  };

  const back = document.getElementById("board-back");
  const next = document.getElementById("board-next");
  const update = () => {
    const rows = sorted(chosen());
    const fixed = alike(rows);
    const shown = visible(fixed);
    table.caption.textContent = fixed.filter((name) => name !== "labels").map((name) => `${name} ${value(rows[0], name)}`).join(", ");
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    page = Math.min(page, pages - 1);
    head(shown);
    body(rows.slice(page * PAGE, (page + 1) * PAGE), shown);
    const last = Math.min(rows.length, (page + 1) * PAGE);
    const count = (number) => number.toLocaleString("en");
    const range = rows.length > PAGE ? `${page * PAGE + 1}${ABSENT}${last} of ${count(rows.length)}` : count(rows.length);
    document.getElementById("board-status").textContent = `${range} rows shown, ${count(board.rows.length)} in all`;
    back.hidden = next.hidden = pages === 1;
    back.disabled = page === 0;
    next.disabled = page === pages - 1;
  };
  const turn = (step) => {
    page += step;
    update();
  };

  if (window.matchMedia("(max-width: 45rem)").matches) {
    const few = new Set(["rank", "attack", "access", "auc", "tpr_at_1pct_fpr"]);
    // The default too, so that Reset comes back to it.
    for (const box of form.querySelectorAll("[name=column]")) box.defaultChecked = box.checked = few.has(box.value);
  }
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    page = 0;
    update();
  });
  form.addEventListener("reset", () => setTimeout(() => {
    Object.assign(sorting, { key: "auc", down: true });
    page = 0;
    update();
  }));
  back.addEventListener("click", () => turn(-1));
  next.addEventListener("click", () => turn(1));
  document.addEventListener("keydown", (event) => {
    const open = form.querySelector("details[open]");
    if (event.key === "Escape" && open) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  });
  update();

  for (const place of document.querySelectorAll("[data-spec]")) {
    // `ast` interprets expressions: the page's policy allows no eval. `defaultStyle` would add a style element.
    const options = { mode: "vega-lite", ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: false };
    window.vegaEmbed(place, read(place.dataset.spec), options).catch((error) => place.append(`The chart cannot be drawn: ${error.message}`));
  }
})();
