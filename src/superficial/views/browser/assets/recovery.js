// Which tokens a further context of the base recovers or loses: chosen on the page, none at first.
"use strict";

// "recovered": shifted in the base's own context, unshifted in that of `view`; "lost": unshifted only in its own.
shift.mover = (data) => (view, position) => {
  const [before, after] = [0, view].map((one) => data.categories[data.views[one].kinds[position]]);
  if (before === "shifted" && after === "unshifted") return "recovered";
  return before === "unshifted" && after !== "unshifted" ? "lost" : "";
};

// `links`: of the tokens by position. `changed` is called with the number of the context, 0 for none.
shift.recovery = (data, moved, links, changed) => {
  const { el, foreign, whole, percent } = shift;
  const at = (id) => document.getElementById(id);
  const further = data.contexts.slice(1);
  const OF = { recovered: "shifted", lost: "unshifted" };
  const MEANING = { recovered: "now the base model’s first choice", lost: "no longer its first choice" };
  const buttons = [];
  let shown = 0;

  function counted(state, number) {
    const whose = data.counts[data.categories.indexOf(OF[state])];
    const share = whose ? ` (${percent(number / whose)})` : "";
    return el(
      "li", {}, el("span", { class: `moved ${state}` }, state), ` ${whole(number)} of ${whole(whose)} ${OF[state]}${share}`,
      el("span", { class: "quiet" }, ` ${MEANING[state]}`),
    );
  }

  function show(view) {
    shown = view;
    buttons.forEach((button, number) => button.setAttribute("aria-pressed", String(number === view)));
    links.forEach((link, position) => {
      const state = view ? moved(view, position) : "";
      for (const name of Object.keys(OF)) link.classList.toggle(name, state === name);
      link.setAttribute("aria-label", `${link.dataset.spoken}${state && `, ${state}`}`);
    });
    const [recovered, lost] = view ? data.moved[view - 1] : [];
    const counts = view ? [el("ul", { class: "legend" }, counted("recovered", recovered), counted("lost", lost))] : [];
    at("moved").replaceChildren(...counts);
    at("strips").classList.toggle("both", view > 0);
    const kinds = view ? data.views[view].kinds : [];
    at("strip-other").replaceChildren(...kinds.map((kind) => el("span", { class: data.categories[kind] })));
    at("strip-name").replaceChildren(
      ...(view ? ["Above ", foreign(data.contexts[0].title), ", below ", foreign(data.contexts[view].title)] : []),
    );
    changed(view);
  }

  const next = () => further.length && show((shown + 1) % data.contexts.length);

  at("recovery").hidden = further.length === 0;
  for (const name of document.querySelectorAll(".of-contexts")) name.hidden = further.length === 0;
  ["none", ...further.map(({ title }) => title)].forEach((title, view) => {
    const button = el("button", { type: "button", "aria-pressed": view ? "false" : "true" }, foreign(title));
    button.addEventListener("click", () => show(view));
    buttons.push(button);
  });
  at("recovery").append(...buttons);
  return { show, next };
};
