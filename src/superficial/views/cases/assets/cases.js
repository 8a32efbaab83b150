// The keys of a case's page: [ and ] go to the previous and the next one, which are links on the page.
"use strict";

document.addEventListener("keydown", (event) => {
  // AltGr, which some keyboards need for [ and ], arrives as Ctrl and Alt together.
  const modified = (event.ctrlKey || event.altKey) && !event.getModifierState("AltGraph");
  const way = { "[": "previous", "]": "next" }[event.key];
  const link = way && !modified && !event.metaKey ? document.getElementById(way) : null;
  if (link && link.href) location.assign(link.href);
});
