// Times that stay current: ages, running spans, and the reader's own time zone. Says the same as src/base/duration.rs.

export const ago = (ms) => {
  const s = Math.floor(ms / 1000);
  if (s < 10) return "just now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
};

export const ahead = (ms) => {
  const s = Math.floor(ms / 1000);
  if (s < 1) return "now";
  if (s < 60) return `in ${s} s`;
  if (s < 3600) return `in ${Math.floor(s / 60)} min`;
  if (s < 172800) return `in ${Math.floor(s / 3600)} h`;
  return `in ${Math.floor(s / 86400)} d`;
};

const two = (n) => String(n).padStart(2, "0");

// Of something that still runs: whole seconds.
export const span = (ms) => {
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
};

const set = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

// Brings every time below `root` up to now.
export const tick = (root = document) => {
  const now = Date.now();
  for (const element of root.querySelectorAll("[data-ago]")) {
    const at = Number(element.dataset.ago);
    set(element, ago(Math.max(0, now - at)));
    element.title = new Date(at).toLocaleString();
  }
  for (const element of root.querySelectorAll("[data-ahead]")) {
    const at = Number(element.dataset.ahead);
    set(element, ahead(Math.max(0, at - now)));
    element.title = new Date(at).toLocaleString();
  }
  for (const element of root.querySelectorAll("[data-since]")) {
    set(element, span(Math.max(0, now - Number(element.dataset.since))));
  }
};

// Clock times of log lines, in the reader's time zone.
export const clocks = (root) => {
  for (const element of root.querySelectorAll("time[data-clock]")) {
    const at = new Date(Number(element.dataset.clock));
    set(element, `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`);
  }
};
