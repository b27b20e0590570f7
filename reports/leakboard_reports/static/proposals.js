"use strict";
// What would find rows where filters find none: the fewest filters to change, and how.

// Given all rows, the filters in use (`{name, wanted, test}`) and how to read a value of a row; gives at most five
// `{words, number, changes}`, of which `changes` are `{name, wanted}` as the form takes them.
window.leakboardProposals = (rows, filters, value) => {
  const MOST = 5;
  const passing = (some) => rows.filter((row) => some.every(({ test }) => test(row)));
  const search = (some) => some.filter(({ name }) => name === "search").map(({ wanted }) => wanted).join(" ");

  // The number of letters to change, put in or leave out to get from one word to the other.
  const distance = (one, other) => {
    let line = [...Array(other.length + 1).keys()];
    for (let i = 1; i <= one.length; i++) {
      const next = [i];
      for (let j = 1; j <= other.length; j++) {
        next.push(Math.min(line[j] + 1, next[j - 1] + 1, line[j - 1] + (one[i - 1] === other[j - 1] ? 0 : 1)));
      }
      line = next;
    }
    return line[other.length];
  };
  const TEXTS = ["attack", "observer", "distance", "classifier", "victim", "defense", "attacker", "dataset"];
  const nearestWord = (word, some) => {
    const known = new Set(some.flatMap((row) => TEXTS.flatMap((name) => String(value(row, name)).toLowerCase().match(/\p{L}[\p{L}\p{N}]+/gu) ?? [])));
    const [near] = [...known].map((each) => [distance(word, each), each]).sort(([a, x], [b, y]) => a - b || x.localeCompare(y, "en"));
    return near && near[0] <= Math.max(1, word.length / 2) ? near[1] : "";
  };

  const without = (left) => {
    const kept = filters.filter((each) => !left.includes(each));
    const found = passing(kept);
    if (!found.length) return [];
    const whole = left.map(({ name, wanted }) => (name === "nulls" ? "with null checks" : name === "search" ? `without \u201c${wanted}\u201d` : `any ${name}`));
    const changes = left.map(({ name }) => ({ name, wanted: name === "search" ? search(kept) : "" }));
    const all = { words: whole.join(", "), number: found.length, changes };
    if (left.length > 1 || left[0].name === "nulls") return [all];
    const [{ name, wanted }] = left;
    if (name === "search") {
      const word = nearestWord(wanted, found);
      if (!word) return [all];
      const words = search(filters).split(" ").map((each) => (each === wanted ? word : each));
      const number = found.filter((row) => TEXTS.some((text) => String(value(row, text)).toLowerCase().includes(word))).length;
      return [{ words: `\u201c${word}\u201d instead of \u201c${wanted}\u201d`, number, changes: [{ name, wanted: words.join(" ") }] }, all];
    }
    const numbers = new Map();
    for (const row of found) numbers.set(String(value(row, name)), (numbers.get(String(value(row, name))) ?? 0) + 1);
    return [...numbers]
      .sort(([, a], [, b]) => b - a)
      .map(([choice, number]) => ({ words: `${name} ${choice}`, number, changes: [{ name, wanted: choice }] }));
  };

  // All ways to choose `size` of the filters.
  const subsets = (size, from = 0) =>
    size === 0 ? [[]] : filters.slice(from).flatMap((each, place) => subsets(size - 1, from + place + 1).map((rest) => [each, ...rest]));
  for (let size = 1; size <= filters.length; size++) {
    const apart = subsets(size).map(without).filter((some) => some.length);
    // Take turns, so that one filter with many choices does not hide the others.
    const found = [];
    for (let turn = 0; apart.some((some) => some.length > turn) && found.length < MOST; turn++) {
      found.push(...apart.filter((some) => some.length > turn).map((some) => some[turn]));
    }
    if (found.length) return found.slice(0, MOST);
  }
  return [];
};
