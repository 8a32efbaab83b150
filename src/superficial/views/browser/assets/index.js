// The index: all examples of a pair, filtered and sorted. The state of the form is the URL's hash, so that a filtered
// list can be kept as a bookmark and is still there after a visit to an example.
"use strict";

(() => {
  const { el, foreign, whole, percent } = shift;
  const data = shift.data();
  const form = document.getElementById("filters");
  const list = document.getElementById("examples");
  const fields = form.elements;
  const further = data.contexts.slice(1);
  const [UNSHIFTED, SHIFTED] = ["unshifted", "shifted"].map((name) => data.categories.indexOf(name));
  const CUT = 300; // characters of an instruction that the list shows
  const MOST = 5000; // examples of a list that goes from page to page
  const STEP = 200; // examples of a large index that are listed at a time

  const share = (example) => example.counts[SHIFTED] / example.tokens;
  // Of the shifted tokens those that the chosen context recovers, of the unshifted those that it loses; else NaN.
  const context = () => further.findIndex(({ name }) => name === fields.context.value);
  const part = (example, place, whose) => (example.moved[context()]?.[place] ?? NaN) / example.counts[whose];
  const recovered = (example) => part(example, 0, SHIFTED);
  const lost = (example) => part(example, 1, UNSHIFTED);
  // Largest first; those without a share stand last.
  const down = (value) => (a, b) => (Number.isNaN(value(a)) - Number.isNaN(value(b))) || value(b) - value(a);
  const SORTS = {
    order: ["dataset order", (a, b) => a.number - b.number],
    most: ["most shifted", (a, b) => share(b) - share(a)],
    least: ["least shifted", (a, b) => share(a) - share(b)],
    kl: ["highest mean KL", (a, b) => b.kl - a.kl],
    long: ["longest response", (a, b) => b.tokens - a.tokens],
    short: ["shortest response", (a, b) => a.tokens - b.tokens],
  };
  if (further.length) {
    SORTS.recovered = ["most recovered", down(recovered)];
    SORTS.lost = ["most lost", down(lost)];
  }

  let examples = []; // of the pair that is shown
  let shownPair = null;
  let shownContext = null;
  let listed = STEP; // of those that match, where the texts lie on shelves
  let latest = 0; // number of the newest wish to see a list
  let onward = ""; // the hash that an example's page is given: what is listed here, and this index as it is

  function options(select, entries) {
    select.replaceChildren(...entries.map(([value, label]) => el("option", { value }, label)));
  }

  function choices(select, values) {
    const before = select.value;
    options(select, [["", "all"], ...[...new Set(values)].sort().map((value) => [value, value])]);
    select.value = before;
    if (select.selectedIndex < 0) select.value = "";
  }

  // One line of shares: the widths are set through the style object, which the page's policy allows.
  function sharesBar(counts, tokens) {
    const bar = el("span", { class: "shares", "aria-hidden": "true" });
    counts.forEach((count, kind) => {
      const part = el("span", { class: data.categories[kind] });
      part.style.inlineSize = `${(100 * count) / tokens}%`;
      bar.append(part);
    });
    return bar;
  }

  function movedText(example) {
    if (context() < 0) return "";
    const [gained, gone] = example.moved[context()];
    const share = (value) => (Number.isNaN(value) ? "" : ` (${percent(value)})`);
    return (
      `${whole(gained)} of ${whole(example.counts[SHIFTED])} shifted recovered${share(recovered(example))}, ` +
      `${whole(gone)} of ${whole(example.counts[UNSHIFTED])} unshifted lost${share(lost(example))}`
    );
  }

  function entry(example, note) {
    const { instruction } = example;
    const shown = instruction.length > CUT ? `${instruction.slice(0, CUT)}…` : instruction;
    const tags = [example.category, ...example.tasks, ...example.topics].flatMap((tag) => [" · ", foreign(tag)]);
    return el(
      "li",
      {},
      el("a", { href: example.page, dir: "auto" }, shown),
      el("p", { class: "quiet" }, foreign(example.id), ...tags),
      el(
        "p",
        { class: "numbers" },
        sharesBar(example.counts, example.tokens),
        el("span", {}, `${percent(share(example))} shifted of ${whole(example.tokens)} tokens`),
        note,
      ),
    );
  }

  // An example of a large index, as numbers; see shelves.py.
  function unpacked(pair, [category, tasks, topics, counts, moved, kl], index) {
    const number = index + 1;
    const page = `pairs/${pair.name}/${String(number - (index % data.block)).padStart(4, "0")}.html?${number}`;
    const names = (places) => places.map((place) => data.tags[place]);
    const tokens = counts.reduce((sum, count) => sum + count, 0);
    return {
      number, page, tokens, counts, moved, kl, category: data.tags[category], tasks: names(tasks), topics: names(topics),
      haystack: null,
    };
  }

  // The texts of some examples: one shelf after the other, because each may be large.
  async function fetched(some, kind, use) {
    for (const shelf of new Set(some.map(({ number }) => Math.ceil(number / data.shelf)))) {
      const rows = await shift.shelved(kind, shownPair.name, shelf);
      for (const example of some) {
        if (Math.ceil(example.number / data.shelf) === shelf) use(example, rows[(example.number - 1) % data.shelf]);
      }
    }
  }

  async function showShelved() {
    const wish = ++latest;
    const pair = shownPair;
    const told = document.getElementById("status");
    const more = document.getElementById("more");
    const stale = () => wish !== latest || pair !== shownPair;
    try {
      if (fields.q.value.trim() && examples.some(({ haystack }) => haystack === null)) {
        told.textContent = "Reading all responses…";
        await fetched(examples, "words", (example, words) => (example.haystack = words.toLowerCase()));
        if (stale()) return;
      }
      const found = sorted();
      const shown = found.slice(0, listed);
      await fetched(shown.filter(({ node }) => !node), "heads", (example, [id, instruction]) => {
        example.note = el("span", { class: "quiet" });
        example.node = entry({ ...example, id, instruction }, example.note);
      });
      if (stale()) return;
      for (const example of shown) example.note.textContent = movedText(example);
      list.replaceChildren(...shown.map((example) => example.node));
      told.textContent = status(found);
      more.hidden = shown.length === found.length;
      hand(found);
    } catch (error) {
      told.textContent = error.message;
    }
  }

  function showPair(name) {
    const pair = data.pairs.find((each) => each.name === name) || data.pairs[0];
    if (shownPair === pair) return;
    shownPair = pair;
    examples = data.shelf ? pair.examples.map((row, index) => unpacked(pair, row, index)) : pair.examples.map((example, index) => {
      const note = el("span", { class: "quiet" }); // what the chosen context recovers
      return {
        ...example,
        number: index + 1,
        node: entry(example, note),
        note,
        haystack: [example.id, example.instruction, example.text].join("\n").toLowerCase(),
      };
    });
    shownContext = null;
    listed = STEP;
    choices(fields.task, examples.flatMap((example) => example.tasks));
    choices(fields.topic, examples.flatMap((example) => example.topics));
    choices(fields.category, examples.map((example) => example.category));
    document.getElementById("run").replaceChildren(
      "Pair: ", foreign(pair.title), " · data: ", foreign(data.dataset), " · base context: ", foreign(data.contexts[0].title),
    );
  }

  function showContext() {
    const chosen = fields.context.value;
    if (shownContext === chosen) return;
    shownContext = chosen;
    if (!data.shelf) for (const example of examples) example.note.textContent = movedText(example);
    document.getElementById("recovered-field").disabled = !chosen;
    for (const option of fields.sort.options) option.disabled = !chosen && ["recovered", "lost"].includes(option.value);
    if (fields.sort.selectedOptions[0].disabled) fields.sort.value = defaults.sort;
  }

  // Whether a share lies within what two fields say, in percent; an empty field is no bound.
  function within(share, low, high) {
    const value = 100 * share;
    return (low.value === "" || value >= Number(low.value)) && (high.value === "" || value <= Number(high.value));
  }

  function matches(example) {
    const words = fields.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    return (
      words.every((word) => example.haystack.includes(word)) &&
      (!fields.task.value || example.tasks.includes(fields.task.value)) &&
      (!fields.topic.value || example.topics.includes(fields.topic.value)) &&
      (!fields.category.value || example.category === fields.category.value) &&
      within(share(example), fields.low, fields.high) &&
      (!fields.context.value || within(recovered(example), fields.least, fields.most))
    );
  }

  function status(found) {
    const counts = data.categories.map((_, kind) => found.reduce((sum, example) => sum + example.counts[kind], 0));
    const tokens = counts.reduce((sum, count) => sum + count, 0);
    const shares = counts.map((count, kind) => `${percent(count / tokens)} ${data.categories[kind]}`);
    const text = `${whole(found.length)} of ${whole(examples.length)} examples`;
    if (!tokens) return `${text} match`;
    const sum = (place) => found.reduce((total, example) => total + example.moved[context()][place], 0);
    const all = context() < 0 ? null : { moved: { [context()]: [sum(0), sum(1)] }, counts };
    return `${text}, ${whole(tokens)} tokens: ${shares.join(", ")}${all ? `; ${movedText(all)}` : ""}`;
  }

  const sorted = () => examples.filter(matches).sort((SORTS[fields.sort.value] || SORTS.order)[1]);

  // What the form says beyond its defaults.
  const state = () =>
    new URLSearchParams([...new FormData(form)].filter(([name, value]) => value && value !== defaults[name]));

  function show() {
    showPair(fields.pair.value);
    showContext();
    if (data.shelf) {
      showShelved();
      return;
    }
    const found = sorted();
    list.replaceChildren(...found.map((example) => example.node));
    document.getElementById("status").textContent = status(found);
    hand(found);
  }

  // An example's page is told the list: but not one that makes no URL.
  function hand(found) {
    const all = found.length === examples.length && found.every((example, index) => example.number === index + 1);
    const given = { list: all || found.length > MOST ? "" : found.map((example) => example.number).join("."), index: `${state()}`, context: fields.context.value };
    onward = shift.onward(given);
  }

  // Safari refuses more than 100 changes of the URL in 30 seconds, so a burst of key strokes makes one.
  let timer = 0;
  function keep() {
    clearTimeout(timer);
    timer = setTimeout(keepNow, 150);
  }

  function keepNow() {
    clearTimeout(timer);
    if (location.hash !== `#${state()}`) history.replaceState(null, "", `#${state()}`);
  }

  function restore() {
    const kept = new URLSearchParams(location.hash.slice(1));
    const set = (name) => {
      fields[name].value = kept.get(name) ?? defaults[name];
      if (fields[name].selectedIndex === -1) fields[name].value = defaults[name]; // a value that is no longer there
    };
    set("pair");
    showPair(fields.pair.value); // its tasks and topics are what the other fields offer
    set("context");
    showContext(); // which decides how the list can be sorted
    Object.keys(defaults).forEach(set);
    show();
  }

  options(fields.pair, data.pairs.map((pair) => [pair.name, pair.title]));
  options(fields.sort, Object.entries(SORTS).map(([value, [label]]) => [value, label]));
  options(fields.context, [["", "none"], ...further.map(({ name, title }) => [name, title])]);
  document.getElementById("pair-field").hidden = data.pairs.length < 2;
  for (const name of ["about-contexts", "context-field", "recovered-field"]) document.getElementById(name).hidden = !further.length;
  const defaults = {
    pair: data.pairs[0].name, q: "", task: "", topic: "", category: "", low: "", high: "", context: "", least: "", most: "",
    sort: "order",
  };
  // Links take the list along only when they are about to be followed: in every link it would be long a thousand times.
  for (const kind of ["pointerdown", "click"]) {
    list.addEventListener(kind, (event) => {
      const link = event.target.closest("a");
      if (!link) return;
      keepNow(); // a change of the URL while the browser is already on its way would call it back
      link.hash = onward;
    });
  }
  document.getElementById("more")?.addEventListener("click", () => {
    listed += STEP;
    show();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => (show(), keep()));
  // A select that is set by an assistive tool may report no input, only a change. A text field reports its change when
  // it loses the focus to a link that is being clicked, and to draw the list anew just then would swallow the click.
  form.addEventListener("change", (event) => event.target.matches("select") && (show(), keep()));
  // The reset event comes before the fields change.
  form.addEventListener("reset", () => setTimeout(() => (show(), keep())));
  window.addEventListener("hashchange", restore);
  restore();
})();
