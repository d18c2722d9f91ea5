// The page's own script. Without it everything can be read and every button works; with it the page is live.

import { connect, onLog, show } from "./live.js";
import { LogView } from "./log.js";
import { tick } from "./time.js";

let view = null;

// The log on the page may be another one after each change.
const takeLog = () => {
  const element = document.querySelector(".log");
  if (element === (view?.element ?? null)) return;
  view = element ? new LogView(element) : null;
};
onLog((news) => view?.grown(news));
document.addEventListener("gantry:shown", takeLog);

// Another step is shown without leaving the page.
const choose = async (url, push) => {
  try {
    await show(url, false);
    if (push) history.pushState(null, "", url);
    // On a narrow screen the log is below the list.
    const pane = document.querySelector(".pane");
    if (pane && pane.getBoundingClientRect().top > innerHeight - 120) pane.scrollIntoView();
  } catch {
    location.href = url;
  }
};
document.addEventListener("click", (event) => {
  const step = event.target.closest("a[data-step]");
  if (!step || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  choose(step.href, true);
});
addEventListener("popstate", () => choose(location.href, false));

// Filters act as they are changed; a form is not sent twice.
document.addEventListener("change", (event) => event.target.closest("form[data-auto]")?.requestSubmit());
// What a form shows may depend on a choice in it: then its button that asks for the page anew is pressed.
document.addEventListener("change", (event) => {
  const form = event.target.matches("[data-refresh]") ? event.target.form : null;
  form?.requestSubmit(form.querySelector("button[formmethod=get]"));
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.busy) return event.preventDefault();
  form.dataset.busy = "1";
  setTimeout(() => delete form.dataset.busy, 3000);
});

document.documentElement.classList.add("js");
tick();
setInterval(tick, 1000);
takeLog();
connect();
