// What script adds to every page: the theme's switch, times in the reader's zone, copy buttons, and
// a reader's own key for elements.
"use strict";

const THEMES = ["system", "light", "dark"];
const root = document.documentElement;
const say = document.querySelector("[data-say]");

for (const button of document.querySelectorAll("[data-theme-switch]")) {
  const label = button.querySelector("span");
  const show = () => {
    label.textContent = `Theme: ${root.dataset.theme ?? "system"}`;
  };
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      if (next === "system") localStorage.removeItem("scalix-theme");
      else localStorage.setItem("scalix-theme", next);
    } catch {
      // It holds for this page then.
    }
    show();
  });
  show();
  button.hidden = false;
}

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
for (const time of document.querySelectorAll("time[data-local]")) {
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.valueOf())) continue;
  time.title = time.textContent;
  time.textContent = clock.format(moment);
}

for (const box of document.querySelectorAll("[data-copy]")) {
  const text = box.querySelector("pre").textContent;
  const button = document.createElement("button");
  button.type = "button";
  const show = (word) => {
    button.textContent = word;
    button.setAttribute("aria-label", `${word} ${box.dataset.copy}`);
  };
  button.addEventListener("click", async () => {
    const done = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    show(done ? "Copied" : "Not copied");
    if (say) say.textContent = `${done ? "Copied" : "Not copied"}: ${box.dataset.copy}.`;
    setTimeout(() => show("Copy"), 2500);
  });
  show("Copy");
  box.append(button);
}

for (const element of document.querySelectorAll("[data-token]")) element.token = element.dataset.token;

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => {
    // The pressed button has to be among what is sent, so it is switched off afterwards.
    setTimeout(() => form.querySelectorAll("button").forEach((button) => (button.disabled = true)));
  });
}
addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll("form[data-once] button").forEach((b) => (b.disabled = false));
});
