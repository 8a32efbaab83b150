// One token in words and tables: a view is the base in one context, its own first, or the aligned model, which is last.
"use strict";

shift.detail = (data, moved) => {
  const { el, foreign, chip, whole, nats, probability } = shift;
  const last = data.views.length - 1;
  const title = (view) => (view === last ? "Aligned" : `Base, ${data.contexts[view].title}`);
  const kind = (view, position) => data.categories[data.views[view].kinds[position]];

  function sentence(position) {
    const base = data.views[0];
    const here = [chip(data.texts[data.token[position]]), ` is ${kind(0, position)}: `];
    const own = probability(base.prob[position]);
    if (base.rank[position] === 1) return [...here, `it is the base model’s first choice too (probability ${own}).`];
    return [
      ...here,
      `the base model ranks it ${whole(base.rank[position])} (probability ${own}) and prefers `,
      chip(data.texts[base.top[position][0]]),
      ` (${probability(base.top_prob[position][0])}).`,
    ];
  }

  // What a further context makes of the token, after the sentence above.
  function under(view, position) {
    const { rank, prob } = data.views[view];
    const place = rank[position] === 1 ? "is the first choice" : `has rank ${whole(rank[position])}`;
    const state = moved(view, position);
    return [
      " Under ", foreign(data.contexts[view].title),
      ` it ${place} (${probability(prob[position])})${state ? `: ${state}.` : "."}`,
    ];
  }

  function table(heads, rows, attributes, name = "") {
    const columns = heads.map((head) => el(head ? "th" : "td", { scope: head ? "col" : null }, head));
    return el("table", attributes, name, el("thead", {}, el("tr", {}, ...columns)), el("tbody", {}, ...rows));
  }

  // Every view in a row of its own, so that any number of them fits.
  function overview(position) {
    const rows = data.views.map((view, number) => {
      const name = el("th", { scope: "row" }, foreign(title(number)));
      if (number !== last) name.append(" ", el("span", { class: `mark ${kind(number, position)}` }, kind(number, position)));
      const state = number && number !== last ? moved(number, position) : "";
      if (state) name.append(" ", el("span", { class: `moved ${state}` }, state));
      const values = [whole(view.rank[position]), probability(view.prob[position]), nats(view.entropy[position])];
      const divergence = number === last ? "–" : nats(view.kl[position]);
      return el("tr", {}, name, ...[...values, divergence].map((value) => el("td", {}, value)));
    });
    return table(["", "rank", "probability", "entropy", "KL"], rows, { class: "overview" });
  }

  function facts(position) {
    const entries = [
      ["KL(base ‖ aligned)", nats(data.kl_base_aligned[position])],
      ["JS divergence", nats(data.js[position])],
      ["Token id", data.ids[data.token[position]]],
    ];
    return el("dl", {}, ...entries.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  }

  function candidate(rank, place, chance, emitted) {
    const bar = el("span", { class: "chance", "aria-hidden": "true" }, el("span"));
    bar.firstChild.style.inlineSize = `${100 * (chance ?? 0)}%`;
    const note = emitted ? el("span", { class: "unseen" }, " (in the response)") : "";
    return el(
      "tr",
      { class: emitted ? "emitted" : null },
      el("td", {}, whole(rank)),
      el("th", { scope: "row" }, chip(data.texts[place]), note, bar),
      el("td", { class: "id" }, data.ids[place]),
      el("td", {}, probability(chance)),
    );
  }

  function candidates(view, number, position) {
    const [places, chances, own] = [view.top[position], view.top_prob[position], data.token[position]];
    const rows = places.map((place, index) => candidate(index + 1, place, chances[index], place === own));
    if (!places.includes(own)) {
      const row = candidate(view.rank[position], own, view.prob[position], true);
      row.classList.add("beyond");
      rows.push(row);
    }
    const side = number === last ? "aligned" : "base";
    const name = el("caption", {}, foreign(title(number)));
    return table(["rank", "token", "id", "prob."], rows, { class: number && side === "base" ? "further" : side }, name);
  }

  function tables(position) {
    const note = el(
      "p", { class: "quiet" }, "Base: ", foreign(data.models.base), ". Aligned: ", foreign(data.models.aligned),
      ". KL: of the aligned model from the base in that context. Divergences and entropies in nats, over the whole " +
        `vocabulary. Position in the token table: ${position}.`,
    );
    const columns = data.views.map((view, number) => candidates(view, number, position));
    return [overview(position), facts(position), note, el("div", { class: "views" }, ...columns)];
  }

  return { sentence, under, tables };
};
