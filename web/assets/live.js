// Keeps the page true. The channel only says that something changed; the page is then asked for anew and the differences are put in. So a page is
// right after a lost connection, whatever was missed.

import { morph } from "./morph.js";
import { tick } from "./time.js";

const link = document.querySelector("#link");
let source = null;
let address = "";
let asked = false;
let asking = false;
let listener = () => {};

// Called with `{ lines, end }` when the log that is looked at grows.
export const onLog = (call) => (listener = call);

const main = () => document.querySelector("#main");

// Fetches `url` and shows it in place. `fragment`: the log's lines are here already.
export const show = async (url, fragment) => {
  const asks = new URL(url, location.href);
  asks.hash = "";
  if (fragment && asks.pathname.startsWith("/runs/")) asks.searchParams.set("fragment", "1");
  const answer = await fetch(asks, { headers: { accept: "text/html" } });
  if (!answer.ok && answer.status !== 404) throw new Error(`answered ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.title = fresh.title;
  morph(document.querySelector("link[rel=icon]"), fresh.querySelector("link[rel=icon]"));
  morph(main(), fresh.querySelector("#main"));
  tick();
  document.dispatchEvent(new Event("gantry:shown"));
};

// One at a time; what is asked for meanwhile is asked once more afterwards.
const refresh = async () => {
  asked = true;
  if (asking) return;
  asking = true;
  while (asked) {
    asked = false;
    try {
      await show(location.href, true);
    } catch {
      // The channel notices too, and everything is asked for anew when it is back.
    }
    await new Promise((done) => setTimeout(done, 200));
  }
  asking = false;
};

const close = () => {
  source?.close();
  source = null;
};

// Opens the channel that the page names. A hidden page has none: browsers allow only a few at once.
export const connect = () => {
  const wanted = main().dataset.live;
  const about = new URL(wanted || "/", location.href);
  about.searchParams.delete("after");
  if (!wanted || document.hidden) return close();
  if (source && source.readyState !== EventSource.CLOSED && address === about.href) return;
  close();
  address = about.href;
  source = new EventSource(wanted);
  let lost = false;
  source.onopen = () => {
    link.hidden = true;
    if (lost) refresh();
    lost = false;
  };
  source.onerror = () => {
    lost = true;
    link.hidden = false;
    // An answer that is no stream (the server is being replaced) ends it for good: begin anew.
    if (source?.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
  source.addEventListener("change", refresh);
  source.addEventListener("log", (event) => listener(JSON.parse(event.data)));
};

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return close();
  refresh();
  connect();
});
addEventListener("pagehide", close);
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  refresh();
  connect();
});
document.addEventListener("gantry:shown", connect);
