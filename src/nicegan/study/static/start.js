"use strict";
// The first page leaves no trace in the browser's history, so that going back does not begin anew as another rater.
const start = document.querySelector("form");

start.addEventListener("submit", async (event) => {
  event.preventDefault();
  start.querySelector("button").disabled = true;
  try {
    const answer = await fetch(start.action, { method: "POST", body: new URLSearchParams(new FormData(start)) });
    if (answer.ok && answer.redirected) { location.replace(answer.url); return; }
  } catch (failure) {
    // the browser says it better
  }
  start.submit();
});
