// What both pages need: building elements from text, number formats, the theme.
"use strict";

const shift = (() => {
  // The only way in which text enters a page: as text nodes. Nothing a model or a user wrote is ever parsed as HTML.
  function el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children);
    return node;
  }

  // Text of foreign origin, isolated so that its writing direction does not reorder what stands around it.
  const foreign = (text) => el("bdi", {}, text);

  // A token as a chip: its spaces are drawn, because " The" and "The" are two tokens. Very long ones are cut.
  function chip(text, limit = 120) {
    const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
    const node = el("bdi", { class: "chip" });
    cut.split(/( +)/).forEach((part) => {
      if (part.startsWith(" ")) node.append(el("span", { class: "space" }, "␣".repeat(part.length)));
      else if (part) node.append(part);
    });
    return node;
  }

  const whole = (value) => value.toLocaleString("en");
  const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`; // never a line that begins with %
  const nats = (value) => (value === null ? "not finite" : value.toFixed(3));

  // 0.93, 0.0012, 1.1×10⁻¹⁹
  function probability(value) {
    if (value === null) return "not finite";
    if (value === 0 || value >= 0.9995) return value.toFixed(value === 0 ? 0 : 5);
    if (value >= 0.0001) return value.toPrecision(3);
    const [digits, power] = value.toExponential(1).split("e");
    const raised = [...power.replace("+", "")].map((char) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(char)]).join("");
    return `${digits}×10${raised}`;
  }

  // The hash that takes a list of examples, and the state of the index, from page to page; empty when there is neither.
  function onward(given) {
    const kept = Object.entries(given).filter(([, value]) => value);
    return kept.length ? `#${new URLSearchParams(kept)}` : "";
  }

  // A page that holds several examples shows the one that its query names, else the first.
  function data() {
    const own = document.getElementById(`data-${location.search.slice(1)}`);
    return JSON.parse((own || document.querySelector("script[type='application/json']")).textContent);
  }

  // Storage may be forbidden for pages from disk; then a choice lasts as long as the page.
  function remembered() {
    try {
      return localStorage.getItem("shift-theme");
    } catch {
      return null;
    }
  }

  function remember(theme) {
    try {
      localStorage.setItem("shift-theme", theme);
    } catch {
      // Nothing to do: see above.
    }
  }

  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  function labelTheme() {
    const button = document.getElementById("theme");
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`);
  }

  const kept = remembered();
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  document.addEventListener("DOMContentLoaded", () => {
    labelTheme();
    system.addEventListener("change", labelTheme);
    document.getElementById("theme").addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remember(root.dataset.theme);
      labelTheme();
    });
  });

  return { el, foreign, chip, whole, percent, nats, probability, onward, data };
})();
