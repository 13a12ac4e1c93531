"use strict";
// One trial: waits for its images, keeps the time, sends the answer until the server has it, and loads the next images.
const form = document.getElementById("trial");
const words = form.dataset;
const notice = form.querySelector(".foot .status");
const button = form.querySelector("button");
const single = form.querySelector(".timed");
const images = [...form.querySelectorAll("img")];
const choices = [...form.querySelectorAll("input[name=answer]")];
let shownAt = null;
let sending = false;

function say(text) {
  if (notice.textContent !== text) notice.textContent = text;
}

function chosen() {
  return choices.find((choice) => choice.checked);
}

function update() {
  const choice = chosen();
  button.disabled = sending || shownAt === null || !choice;
  if (sending || shownAt === null) return;
  if (choice) say(words.chosen.replace("{name}", choice.getAttribute("aria-label")));
}

function wait(milliseconds) {
  return new Promise((done) => {
    const timer = setTimeout(done, milliseconds);
    window.addEventListener("online", () => { clearTimeout(timer); done(); }, { once: true });
  });
}

async function loaded(image) {
  for (let again = 1; !(image.complete && image.naturalWidth > 0); again += 1) {
    if (image.complete) {
      say(words.lost);
      await wait(2000);
      image.src = image.src.split("?")[0] + "?again=" + again;
    }
    await new Promise((done) => {
      if (image.complete) { done(); return; }
      image.addEventListener("load", done, { once: true });
      image.addEventListener("error", done, { once: true });
    });
  }
}

function hideAfter(seconds) {
  single.classList.add("visible");
  setTimeout(() => {
    single.classList.remove("visible");
    if (!chosen()) say(words.hidden);
  }, seconds * 1000);
}

async function begin() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  form.elements.id.value = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  for (const choice of choices) choice.checked = false;
  update();
  say(words.loading);
  await Promise.all(images.map(loaded));
  shownAt = performance.now();
  if (single) hideAfter(Number(words.seconds));
  say(words.ready);
  update();
  for (const address of words.ahead.split(" ").filter(Boolean)) new Image().src = address;
}

async function send() {
  const body = new URLSearchParams(new FormData(form));
  for (let pause = 1000; ; pause = Math.min(2 * pause, 8000)) {
    try {
      const answer = await fetch(location.pathname, {
        method: "POST", body, headers: { Accept: "application/json" }, cache: "no-store",
      });
      if (answer.ok || answer.status === 409) return null;
      const problem = (await answer.json().catch(() => ({}))).problem || String(answer.status);
      if (answer.status < 500) return problem;
      say(problem);
    } catch (failure) {
      say(words.offline);
    }
    await wait(pause);
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (sending || shownAt === null || !chosen()) return;
  sending = true;
  form.elements.milliseconds.value = Math.round(performance.now() - shownAt);
  update();
  say(words.sending);
  const problem = await send();
  if (problem) { say(problem); sending = false; return; }
  location.replace(location.pathname);
});

form.addEventListener("change", update);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const choice = /^[1-9]$/.test(event.key) ? choices[Number(event.key) - 1] : undefined;
  if (choice && !sending) {
    event.preventDefault();
    choice.checked = true;
    choice.focus({ preventScroll: true });
    update();
  } else if (event.key === "Enter" && event.target !== button) {
    event.preventDefault();
    if (!button.disabled) form.requestSubmit();
  }
});

window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

begin();
