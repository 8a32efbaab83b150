// What a judge said of the response: an aspect, a score or why there is none, and the reason.
"use strict";

shift.judged = (data) => {
  const { el, foreign } = shift;
  const at = (id) => document.getElementById(id);
  if (!data.judge) return; // nobody judged
  at("judged").hidden = false;
  at("judge").append("Judge: ", foreign(data.judge.title), ". Scores from 1 to 5. ", foreign(data.judge.caveat));
  if (!data.judgments.length) at("judgments").append(el("p", {}, "This response was not judged."));
  const entries = data.judgments.map(({ aspect, score, reason, unscored }) => {
    const value = el("b", { class: "score" }, score === null ? "unscored" : score);
    const why = score === null ? [" (", foreign(unscored), ")"] : [];
    return el(
      "div", {}, el("dt", {}, foreign(aspect), " ", value, ...why), el("dd", { class: "reason", dir: "auto" }, reason),
    );
  });
  if (entries.length) at("judgments").append(el("dl", {}, ...entries));
};
