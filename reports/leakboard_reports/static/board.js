"use strict";
// Draws the leaderboard from the page's own JSON (sort, filter, columns, levels of access) and the charts.

(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const STEP = 25;
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
  const columns = read("board-columns").map(([key, label, kind, , unit]) => ({ key, label, kind, unit }));
  const at = Object.fromEntries(board.columns.map((name, place) => [name, place]));
  const value = (row, name) => {
    if (name in board.fixed) return board.fixed[name];
    return name in board.words ? board.words[name][row[at[name]]] : row[at[name]];
  };
  const title = (row) => value(row, "attack") || [value(row, "observer"), value(row, "distance"), value(row, "classifier")].join(" \u00b7 ");
  const haystack = new Map(board.rows.map((row) => [row, Object.keys(board.words).map((name) => value(row, name)).join(" ").toLowerCase()]));

  // Measures come as they are written, so that a page reads the same with and without scripts.
  const measure = (row, name) => {
    const number = value(row, name);
    const flag = board.flags[value(row, `${name}_flag`)];
    const why = board.whys[value(row, `${name}_why`)];
    if (number === null) return [make("span", "muted", value(row, `${name}_text`))];
    if (flag === "hidden") return [make("span", "muted", ABSENT), make("span", "sub", `too few: ${why}`)];
    const text = make("span", "nobreak", make("b", "", value(row, `${name}_text`)));
    const limits = value(row, `${name}_limits`);
    const doubtful = flag === "uncalibrated";
    if (doubtful) {
      const mark = make("abbr", "", "\u2020");
      mark.title = flag;
      text.append(mark);
    }
    if (limits) text.append(" ", make("span", "ci", limits));
    return doubtful ? [text, make("span", "sub", `\u2020 ${why}`)] : [text];
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
    const chosen = value(row, "chosen");
    return [
      ...(named ? [make("b", "", named)] : softly(parts[0])),
      ...marks(row),
      make("span", "sub", ...softly((named ? parts : parts.slice(1)).join(" \u00b7 "))),
      ...(chosen ? [make("span", "sub told", `calibration samples chose ${chosen}`)] : []),
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
    if (kind === "measure") return key === "auc" ? [...measure(row, key), whisker(row)] : measure(row, key);
    return contents[key] ? contents[key](row) : [String(value(row, key))];
  };

  const sorting = { key: "auc", down: true };
  let opened = {};

  // One test a filter, each with what leaving it out is called.
  const filters = () => {
    const fields = new FormData(form);
    const words = String(fields.get("search")).toLowerCase().split(/\s+/).filter(Boolean);
    return [
      ...(fields.has("nulls") ? [] : [{ name: "nulls", test: (row) => value(row, "role") === "attack" }]),
      ...[...form.querySelectorAll("select")]
        .filter((select) => select.value)
        .map(({ name, value: wanted }) => ({ name, wanted, test: (row) => String(value(row, name)) === wanted })),
      ...words.map((word) => ({ name: "search", wanted: word, test: (row) => haystack.get(row).includes(word) })),
    ];
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

  // What all rows agree on is told once, above the table, and takes no column; null for the number of a measure.
  const told = (row, { key, kind }) => {
    if (kind === "measure") {
      if (board.flags[value(row, `${key}_flag`)] === "hidden") return `${ABSENT}, ${board.whys[value(row, `${key}_why`)]}`;
      return value(row, key) === null ? value(row, `${key}_text`) : null;
    }
    return key === "attack" ? title(row) : contents[key] ? contents[key](row)[0] : String(value(row, key));
  };
  const spoken = (label) => (/^.\p{Lu}/u.test(label) ? label : label.charAt(0).toLowerCase() + label.slice(1));
  const alike = (rows, some) =>
    some.filter((column) => {
      if (!rows.length || board.never_alike.includes(column.key)) return false;
      const first = told(rows[0], column);
      return first !== null && rows.every((row) => told(row, column) === first);
    });
  const caption = (rows, fixed) =>
    fixed.map((each) => [spoken(each.label), told(rows[0], each), each.kind === "measure" ? "" : each.unit].filter(Boolean).join(" ")).join("; ");
  const look = (kind, key) => `${kind === "text" ? "text" : "number"} c-${key.replace(".", "")}`;
  const head = (shown) => {
    const line = make("tr");
    for (const { key, label, kind, unit } of shown) {
      const button = make("button", "", label);
      button.type = "button";
      button.addEventListener("click", () => {
        sorting.down = sorting.key === key ? !sorting.down : kind !== "text" && key !== "rank";
        sorting.key = key;
        update();
        table.querySelector(`th[data-key="${key}"] button`).focus();
      });
      const cell = make("th", look(kind, key), button, ...(unit ? [make("span", "unit", unit)] : []));
      cell.scope = "col";
      cell.dataset.key = key;
      if (sorting.key === key) cell.setAttribute("aria-sort", sorting.down ? "descending" : "ascending");
      line.append(cell);
    }
    table.tHead.replaceChildren(line);
  };
  const entry = (row, shown) => {
    const line = make("tr", "entry");
    for (const { key, kind } of shown) {
      const cell = make(key === "attack" ? "th" : "td", look(kind, key));
      if (key === "attack") cell.scope = "row";
      cell.append(...content(row, { key, kind }));
      line.append(cell);
    }
    return line;
  };
  const whole = (className, name, width, ...children) => {
    const cell = make(name, "", ...children);
    cell.colSpan = Math.max(1, width);
    return make("tr", className, cell);
  };
  const count = (number) => number.toLocaleString("en");
  const more = (access, name, left, width) => {
    const button = make("button", "", `Show ${Math.min(STEP, left)} more of ${count(left)} (${name})`);
    button.type = "button";
    button.dataset.access = access;
    button.addEventListener("click", () => {
      opened[access] = (opened[access] ?? board.first) + STEP;
      update();
      (table.querySelector(`button[data-access="${access}"]`) ?? table.parentElement).focus();
    });
    return whole("more", "td", width, button);
  };
  // Attackers who get more from the victim are no competitors of those who get less: a part of the table for each level.
  const body = (rows, shown) => {
    let visible = 0;
    const parts = [];
    for (const [access, name, gives] of board.levels) {
      const mine = rows.filter((row) => value(row, "access") === access);
      if (!mine.length) continue;
      const some = mine.slice(0, opened[access] ?? board.first);
      visible += some.length;
      const words = ` ${gives}: ${count(mine.length)} ${mine.length === 1 ? "row" : "rows"}`;
      const head = whole("level", "th", shown.length, make("b", "", name.charAt(0).toUpperCase() + name.slice(1)), make("span", "muted", words));
      head.firstChild.scope = "rowgroup";
      const left = mine.length - some.length;
      parts.push(make("tbody", "", head, ...some.map((row) => entry(row, shown)), ...(left ? [more(access, name, left, shown.length)] : [])));
    }
    if (!parts.length) parts.push(make("tbody", "", whole("", "td", shown.length, ...nothing())));
    for (const old of [...table.tBodies]) old.remove();
    table.append(...parts);
    return visible;
  };
  const nothing = () => {
    const found = window.leakboardProposals(board.rows, filters(), value);
    const parts = [make("p", "", "No row matches.", found.length ? " Nearest with rows:" : " There are no rows at all.")];
    const choices = make("p", "proposals");
    for (const { words, number, changes } of found) {
      const button = make("button", "", `${words} (${count(number)})`);
      button.type = "button";
      button.addEventListener("click", () => {
        for (const { name, wanted } of changes) {
          if (name === "nulls") form.elements.nulls.checked = true;
          else form.elements[name].value = wanted;
        }
        refresh();
        form.elements.search.focus();
      });
      choices.append(button, " ");
    }
    return found.length ? [...parts, choices] : parts;
  };

  const update = () => {
    const tests = filters();
    const rows = sorted(board.rows.filter((row) => tests.every(({ test }) => test(row))));
    const ticked = new Set(new FormData(form).getAll("column"));
    const fixed = alike(rows, columns.filter(({ key }) => ticked.has(key) || board.always_told.includes(key)));
    const shown = columns.filter((each) => ticked.has(each.key) && !fixed.includes(each));
    table.caption.textContent = caption(rows, fixed);
    head(shown);
    const visible = body(rows, shown);
    document.getElementById("board-status").textContent = `${count(visible)} of ${count(rows.length)} rows shown, ${count(board.rows.length)} in all.`;
  };
  const refresh = () => {
    opened = {};
    update();
  };

  if (window.matchMedia("(max-width: 45rem)").matches) {
    const few = new Set(["rank", "attack", "auc", "tpr_at_1pct_fpr"]);
    // The default too, so that Reset comes back to it.
    for (const box of form.querySelectorAll("[name=column]")) box.defaultChecked = box.checked = few.has(box.value);
  }
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", refresh);
  form.addEventListener("reset", () => setTimeout(() => {
    Object.assign(sorting, { key: "auc", down: true });
    refresh();
  }));
  document.addEventListener("keydown", (event) => {
    const open = form.querySelector("details[open]");
    if (event.key === "Escape" && open) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  });
  update();

  // Paper has nothing to unfold: every section is printed open, and is as it was afterwards.
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("main details:not([open])")].filter((each) => !form.contains(each));
    for (const each of folded) each.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const each of folded) each.open = false;
    folded = [];
  });

  for (const place of document.querySelectorAll("[data-spec]")) {
    // `ast` interprets expressions: the page's policy allows no eval. `defaultStyle` would add a style element.
    const options = { mode: "vega-lite", ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: false };
    window.vegaEmbed(place, read(place.dataset.spec), options).catch((error) => place.append(`The chart cannot be drawn: ${error.message}`));
  }
})();
