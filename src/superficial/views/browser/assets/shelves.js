// The texts of a large index, a thousand examples a file. They lie beside the pages and are loaded when they are needed.
"use strict";

(() => {
  const OURS = /^pairs\/[^/]+\/(heads|words)-\d+\.js$/;
  const url = (name) => {
    if (!OURS.test(name)) throw new TypeError(`no shelf: ${name}`);
    return name;
  };
  // Scripts may come from a policy alone; browsers that know no policies take the name.
  const policy = window.trustedTypes ? trustedTypes.createPolicy("shelves", { createScriptURL: url }) : { createScriptURL: url };
  const waiting = new Map(); // what to do with the rows of a shelf, by its name
  const asked = new Map(); // promises of rows

  // Called by the files.
  shift.shelf = (name, rows) => waiting.get(name)?.(rows);

  // The rows of a shelf, counted from 1.
  shift.shelved = (kind, pair, shelf) => {
    const name = `pairs/${pair}/${kind}-${String(shelf).padStart(4, "0")}.js`;
    if (!asked.has(name)) {
      asked.set(name, new Promise((resolve, reject) => {
        waiting.set(name, resolve);
        const script = document.createElement("script");
        script.src = policy.createScriptURL(name);
        script.addEventListener("error", () => reject(new Error(`${name} is gone`)));
        document.head.append(script);
      }));
    }
    return asked.get(name);
  };
})();
