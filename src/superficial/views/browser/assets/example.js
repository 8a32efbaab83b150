// One example: the response with its tokens, and everything about the one that is chosen.
"use strict";

(() => {
  const { el, foreign, whole, percent } = shift;
  const data = shift.data();
  const at = (id) => document.getElementById(id);
  const MEANING = { unshifted: "base rank 1", marginal: "base rank 2 or 3", shifted: "base rank above 3" };

  const text = (position) => data.texts[data.token[position]];
  const kind = (position) => data.categories[data.views[0].kinds[position]];
  const count = data.token.length;
  const thinking = data.thinking || 0; // so many of the first tokens stand before the answer, folded
  const first = thinking < count ? thinking : 0; // where a reader begins
  const links = []; // of the tokens, by position
  const cells = []; // of the strip, by position
  const moved = shift.mover(data);
  const detail = shift.detail(data, moved);
  let chosen = -1; // position, or -1 for none
  let seen = 0; // the further context whose tokens are marked; 0, the base's own, for none
  const came = arrival();
  const listed = numbers(came.list); // of examples, in the order of the list that the reader came from; else null

  // The list and the index's state arrive in the hash, which then makes room for the permalink of a token: from there on
  // they are kept with this entry of the browser's history, so that they survive a reload and a visit elsewhere.
  function arrival() {
    const given = new URLSearchParams(location.hash.slice(1));
    const kept = ["list", "index", "context"].map((name) => [name, given.get(name) ?? ""]);
    if (kept.some(([name]) => given.has(name))) history.replaceState(Object.fromEntries(kept), "", "#");
    return { list: "", index: "", context: "", ...history.state };
  }

  // Whoever comes without a list, or with one that this example is not in, goes through all examples.
  function numbers(list) {
    const found = [...new Set(list.split(".").map(Number))];
    const known = (number) => Number.isInteger(number) && number >= 1 && number <= data.count;
    return found.every(known) && found.includes(data.number) ? found : null;
  }

  // The page that many examples further; null at either end.
  function neighbour(step) {
    const number = listed ? listed[listed.indexOf(data.number) + step] : data.number + step;
    if (!(number >= 1 && number <= data.count)) return null;
    const given = { list: listed ? came.list : "", index: came.index, context: marked() };
    const first = number - ((number - 1) % (data.block || 1)); // of the examples that stand on one page
    return `${String(first).padStart(4, "0")}.html${data.block ? `?${number}` : ""}${shift.onward(given)}`;
  }

  const marked = () => (seen ? data.contexts[seen].name : "");

  function buildWays() {
    for (const [way, step] of [["previous", -1], ["next", 1]]) {
      const page = neighbour(step);
      if (page) at(way).href = page;
      else {
        at(way).setAttribute("role", "link"); // without a target it would be no link to a screen reader
        at(way).setAttribute("aria-disabled", "true");
      }
    }
    for (const link of at("elsewhere").querySelectorAll("a")) link.hash = shift.onward({ context: marked() });
  }

  // --- the page as it is before a token is chosen ---

  function buildHead() {
    document.title = `${data.id} · Shift browser`;
    at("name").append("Example ", foreign(data.id));
    const tags = [data.category, ...data.tasks, ...data.topics].flatMap((tag) => [" · ", foreign(tag)]);
    const ending = data.finish_reason === "length" ? " · cut at the length limit" : "";
    const silent = thinking === count ? " · ends within its thinking" : "";
    at("tags").append(foreign(data.pair), ...tags, ending, silent);
    at("instruction").textContent = data.instruction;
    at("place").textContent = `${data.number} of ${data.count}`;
    if (listed) at("place").textContent = `${listed.indexOf(data.number) + 1} of ${listed.length} listed`;
    if (came.index) document.querySelector("a.site").hash = came.index;
    at("elsewhere").hidden = data.elsewhere.length === 0;
    at("elsewhere").append(
      ...data.elsewhere.flatMap(({ title, page }, index) => [index ? " · " : "", el("a", { href: page }, foreign(title))]),
    );
    at("legend").append(
      ...data.categories.map((name, index) =>
        el(
          "li",
          {},
          el("span", { class: `mark ${name}` }, name),
          ` ${whole(data.counts[index])} (${percent(data.counts[index] / count)})`,
          el("span", { class: "quiet" }, ` ${MEANING[name]}`),
        ),
      ),
    );
  }

  // Tokens are links to themselves: they wrap like text, and "copy link" on one gives its permalink.
  function buildToken(position) {
    const shown = text(position);
    const name = kind(position);
    const spoken = `${shown.trim() || "space"}${name === "unshifted" ? "" : `, ${name}`}`;
    const link = el("a", { id: `t${position + 1}`, href: `#t${position + 1}`, class: name, "aria-label": spoken }, shown);
    link.tabIndex = position === first ? 0 : -1; // one stop for the Tab key; the arrow keys go on from there
    Object.assign(link.dataset, { position, spoken });
    links.push(link);
    const breaks = shown.split("⏎").length - 1;
    return breaks ? [link, "\n".repeat(breaks)] : [link];
  }

  function buildResponse() {
    const nodes = data.token.map((_, position) => buildToken(position));
    if (thinking) at("response").append(fold(nodes.slice(0, thinking).flat()));
    at("response").append(...nodes.slice(thinking).flat());
    at("response").addEventListener("click", (event) => {
      const link = event.target.closest("a");
      // With a modifier the browser does what it does with links: a new tab, a new window.
      if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      choose(Number(link.dataset.position));
    });
  }

  function fold(nodes) {
    const shifted = data.token.filter((_, position) => position < thinking && kind(position) === "shifted").length;
    const said = `Thinking: ${whole(thinking)} tokens, ${percent(shifted / thinking)} shifted`;
    return el("details", { id: "thinking" }, el("summary", {}, said), ...nodes);
  }

  const folded = (position) => position < thinking && !at("thinking").open;

  function buildStrip() {
    data.token.forEach((_, position) => cells.push(el("span", { class: kind(position) })));
    at("strip").append(...cells);
    at("strips").addEventListener("click", (event) => {
      const box = cells[0].getBoundingClientRect();
      const end = cells[count - 1].getBoundingClientRect().right;
      const part = (event.clientX - box.left) / (end - box.left);
      choose(Math.min(count - 1, Math.max(0, Math.floor(part * count))));
    });
  }

  function buildContexts() {
    data.prompts.forEach((prompt, view) => {
      const side = view < data.contexts.length ? "base" : "aligned";
      const name = side === "base" ? ["Base, ", foreign(data.contexts[view].title)] : ["Aligned"];
      const title = el("summary", {}, ...name, " (", foreign(data.models[side]), ")");
      const body = el("pre", { class: "scrolls", tabindex: "0", dir: "auto" }, prompt);
      at("contexts").append(el("details", {}, title, body));
    });
  }

  // --- the token that is chosen ---

  function showDetail() {
    at("panel").classList.toggle("empty", chosen < 0);
    if (chosen < 0) {
      at("panel-name").textContent = "Token";
      at("sentence").textContent = "Choose a token of the response, or press n for the first shifted one.";
      at("detail").replaceChildren();
      return;
    }
    at("panel-name").textContent = `Token ${chosen + 1} of ${count}`;
    at("sentence").replaceChildren(...detail.sentence(chosen), ...(seen ? detail.under(seen, chosen) : []));
    at("detail").replaceChildren(...detail.tables(chosen));
  }

  function mark(position, on) {
    if (position < 0) return;
    cells[position].classList.toggle("chosen", on);
    links[position].tabIndex = on ? 0 : -1;
    if (on) links[position].setAttribute("aria-current", "true");
    else links[position].removeAttribute("aria-current");
  }

  function choose(position, focus = true) {
    mark(chosen, false);
    if (chosen < 0) document.querySelector(".beside").scrollTop = 0; // a reader may have been at what the judge said
    chosen = position;
    mark(chosen, true);
    showDetail();
    if (chosen < 0) links[first].tabIndex = 0;
    else {
      if (folded(chosen)) at("thinking").open = true;
      links[first].tabIndex = chosen === first ? 0 : -1;
      if (focus) links[chosen].focus({ preventScroll: true });
      links[chosen].scrollIntoView({ block: "nearest" });
    }
    keepPermalink();
  }

  // Safari refuses more than 100 changes of the URL in 30 seconds, so holding an arrow key makes one, at its end.
  let timer = 0;
  function keepPermalink() {
    clearTimeout(timer);
    timer = setTimeout(() => history.replaceState(history.state, "", chosen < 0 ? "#" : `#t${chosen + 1}`), 150);
  }

  function followPermalink() {
    const found = /^#t(\d+)$/.exec(location.hash);
    const position = found ? Number(found[1]) - 1 : -1;
    if (position !== chosen) choose(position < count ? position : -1);
  }

  // --- moving about ---

  function nextThat(is, what, step) {
    let position = chosen < 0 && step < 0 ? count : chosen;
    do position += step;
    while (position >= 0 && position < count && !is(position));
    if (position >= 0 && position < count) choose(position);
    else at("sentence").textContent = `No ${what} token ${step > 0 ? "after" : "before"} this one.`;
  }

  const nextShifted = (step) => nextThat((position) => kind(position) === "shifted", "shifted", step);
  const nextMoved = (state) => seen && nextThat((position) => moved(seen, position) === state, state, 1);

  // The token above or below: the nearest by its middle on the nearest line that way.
  function otherLine(step) {
    const box = (link) => link.getClientRects()[0] || link.getBoundingClientRect();
    const here = box(links[chosen]);
    const middle = (rect) => rect.left + rect.width / 2;
    let best = null;
    links.forEach((link, position) => {
      if (folded(position)) return;
      const there = box(link);
      const down = (there.top - here.top) * step;
      if (down < here.height / 2) return;
      const distance = [down, Math.abs(middle(there) - middle(here))];
      const nearer = !best || distance[0] < best.distance[0] - 2 ||
        (distance[0] < best.distance[0] + 2 && distance[1] < best.distance[1]);
      if (nearer) best = { position, distance };
    });
    if (best) choose(best.position);
  }

  const KEYS = {
    ArrowRight: () => choose(chosen < 0 ? first : Math.min(chosen + 1, count - 1)),
    ArrowLeft: () => choose(Math.max(chosen - 1, 0)),
    ArrowDown: () => otherLine(1),
    ArrowUp: () => otherLine(-1),
    Home: () => choose(0),
    End: () => choose(count - 1),
    n: () => nextShifted(1),
    p: () => nextShifted(-1),
    c: () => recovery.next(),
    r: () => nextMoved("recovered"),
    l: () => nextMoved("lost"),
    Escape: () => choose(-1),
    "[": () => at("previous").href && location.assign(at("previous").href),
    "]": () => at("next").href && location.assign(at("next").href),
  };

  document.addEventListener("keydown", (event) => {
    // AltGr, which some keyboards need for [ and ], arrives as Ctrl and Alt together.
    const modified = (event.ctrlKey || event.altKey) && !event.getModifierState("AltGraph");
    if (modified || event.metaKey || !Object.hasOwn(KEYS, event.key)) return;
    const moves = event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End";
    if (moves && event.target.closest(".scrolls")) return; // these keys scroll a long text
    if (chosen < 0 && /^Arrow(Up|Down)$/.test(event.key)) return; // and the page, while no token is chosen
    event.preventDefault();
    KEYS[event.key]();
  });

  at("panel").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-step]");
    if (button) KEYS[button.dataset.step]();
  });

  buildHead();
  buildResponse();
  buildStrip();
  buildContexts();
  shift.judged(data);
  const recovery = shift.recovery(data, moved, links, (view) => {
    seen = view;
    history.replaceState({ ...came, ...history.state, context: marked() }, "");
    buildWays();
    showDetail();
  });
  recovery.show(Math.max(0, data.contexts.findIndex(({ name }, view) => view && name === came.context)));
  followPermalink();
  window.addEventListener("hashchange", followPermalink);
})();
