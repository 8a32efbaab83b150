"use strict";
// Without this script everything is shown.
const box = document.querySelector("#search");
const found = document.querySelector("#found");
const results = [...document.querySelectorAll("article")];
const texts = new Map(results.map((result) => [result, result.textContent.toLowerCase()]));
const narrow = () => {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const result of results) {
    result.hidden = !words.every((word) => texts.get(result).includes(word));
  }
  for (const section of document.querySelectorAll("section")) {
    section.hidden = !section.querySelector("article:not([hidden])");
  }
  const shown = results.filter((result) => !result.hidden).length;
  found.textContent = words.length ? `${shown} of ${results.length}` : "";
};
box.addEventListener("input", narrow);
document.querySelector("#finder").hidden = false;
narrow(); // a browser may have kept what was typed
