// A log of any length with few elements: a window of chunks is in the page, the space above and below stands for the rest. Chunks come and go
// as one scrolls; while the end is in sight the log is followed.

import { clocks } from "./time.js";

const CHUNK = 400; // Lines asked for at once.
const MOST = 8; // Chunks in the page.
const ROW = 20; // Pixels of a line that is not wrapped.
const FOUND = 1000; // Lines that a search shows.
const NEAR = 600; // Pixels from the edge of the window at which the next chunk is asked for.

const remembered = (name, otherwise) => (localStorage.getItem(`gantry.${name}`) ?? otherwise) === "1";

export class LogView {
  constructor(element) {
    this.element = element;
    this.box = element.querySelector(".lines");
    this.above = element.querySelector("[data-space=above]");
    this.below = element.querySelector("[data-space=below]");
    this.tail = element.querySelector(".tail");
    this.total = Number(element.dataset.total ?? 0);
    this.end = "end" in element.dataset;
    this.busy = false;
    this.search = null;
    element.querySelector(".earlier")?.remove();
    clocks(this.box);
    const marked = this.box.querySelector(".marked");
    this.following = !marked;
    this.tools();
    this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.box.addEventListener("click", (event) => this.pressed(event));
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.measure();
    if (this.following) this.toEnd();
    else {
      this.middle(marked);
      element.scrollIntoView({ block: "nearest" });
    }
    this.fill();
  }

  get chunks() {
    return [...this.box.querySelectorAll(".chunk")];
  }
  get first() {
    return Number(this.chunks[0]?.dataset.from ?? 1);
  }
  get next() {
    return Number(this.chunks.at(-1)?.dataset.next ?? 1);
  }

  // The server says how long the log is now.
  grown({ lines, end }) {
    this.total = Math.max(this.total, lines);
    this.end = end;
    if (this.search !== null) return;
    this.measure();
    this.fill();
  }

  measure() {
    const rest = Math.max(0, this.total + 1 - this.next);
    this.above.style.height = `${this.search === null ? (this.first - 1) * ROW : 0}px`;
    this.below.style.height = `${this.search === null && !this.following ? rest * ROW : 0}px`;
    const idle = this.total === 0;
    this.tail.hidden = !idle || this.search !== null;
    this.tail.textContent = this.end ? "This step printed nothing." : "No output yet.";
    this.button("follow", this.following && !this.end);
    this.element.querySelector("[data-toggle=follow]").textContent = this.end ? "To the end" : "Follow";
  }

  // Brings the lines that should be seen.
  async fill() {
    if (this.busy || this.search !== null) return;
    this.busy = true;
    try {
      while (await this.step());
    } catch {
      // The next nudge or scroll tries again.
    }
    this.busy = false;
  }

  // One chunk where it is needed; whether more may be needed.
  async step() {
    const { box } = this;
    const hasMore = this.next <= this.total;
    if (this.following) {
      if (!hasMore) return false;
      const isFar = this.total - this.next > CHUNK * 2;
      await this.load(isFar ? Math.max(1, this.total - CHUNK) : this.next, isFar ? "replace" : "below");
      this.toEnd();
      return true;
    }
    const top = box.scrollTop - this.above.offsetHeight;
    const bottom = this.below.offsetTop - (box.scrollTop + box.clientHeight);
    const isOutside = top < -box.clientHeight || bottom < -box.clientHeight;
    if (isOutside) {
      const line = top < 0 ? Math.floor(box.scrollTop / ROW) + 1 : this.next + Math.floor((box.scrollTop - this.below.offsetTop) / ROW);
      await this.load(Math.min(Math.max(1, line - CHUNK / 2), Math.max(1, this.total - CHUNK)), "replace");
      return true;
    }
    if (top < NEAR && this.first > 1) {
      await this.load(Math.max(1, this.first - CHUNK), "above", Math.min(CHUNK, this.first - 1));
      return true;
    }
    if (bottom < NEAR && hasMore) {
      await this.load(this.next, "below");
      return true;
    }
    return false;
  }

  async ask(parameters) {
    const { lines, attempt } = this.element.dataset;
    const answer = await fetch(`${lines}?${new URLSearchParams({ ...(attempt && { attempt }), ...parameters })}`);
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    return answer.json();
  }

  async load(from, where, limit = CHUNK) {
    const part = await this.ask({ from, limit });
    this.total = Math.max(this.total, part.total);
    if (this.search !== null) return;
    if (part.count === 0) {
      // Nothing there after all: believe it, so that nobody asks for ever.
      this.total = this.next - 1;
      return this.measure();
    }
    const chunk = this.chunk(part);
    const { box } = this;
    if (where === "below" && this.joined(chunk, part)) return this.measure();
    if (where === "replace") {
      for (const old of this.chunks) old.remove();
      this.below.before(chunk);
      this.measure();
    } else if (where === "below") {
      this.below.before(chunk);
      const height = box.scrollHeight;
      const spare = this.chunks.slice(0, -MOST);
      const gone = spare.reduce((sum, old) => sum + old.offsetHeight, 0);
      for (const old of spare) old.remove();
      const before = this.above.offsetHeight;
      this.measure();
      if (spare.length && height) box.scrollTop += this.above.offsetHeight - before - gone;
    } else {
      const before = this.above.offsetHeight;
      this.above.after(chunk);
      for (const old of this.chunks.slice(MOST)) old.remove();
      this.measure();
      box.scrollTop += this.above.offsetHeight - before + chunk.offsetHeight;
    }
  }

  chunk(part) {
    const chunk = document.createElement("div");
    chunk.className = "chunk";
    chunk.dataset.from = part.first;
    chunk.dataset.next = part.next;
    // The server's own HTML: it has escaped the lines, and no script may run on this page anyway.
    chunk.innerHTML = part.html;
    clocks(chunk);
    return chunk;
  }

  // A log that grows line by line does not get a chunk for each.
  joined(chunk, part) {
    const last = this.chunks.at(-1);
    if (!last || last.childElementCount + part.count > CHUNK) return false;
    last.append(...chunk.childNodes);
    last.dataset.next = part.next;
    return true;
  }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.position = this.box.scrollTop;
  }

  middle(line) {
    this.box.scrollTop = line.offsetTop - this.box.clientHeight / 2;
    this.position = this.box.scrollTop;
  }

  // Scrolling up stops following, reaching the end begins it again.
  scrolled() {
    if (this.search !== null) return;
    const { box } = this;
    const isUp = box.scrollTop < (this.position ?? 0) - 2;
    const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - ROW;
    this.position = box.scrollTop;
    const following = isUp ? false : this.following || (isAtEnd && this.total - this.next < CHUNK);
    if (following !== this.following) {
      this.following = following;
      if (!following) this.pin();
      this.measure();
    }
    this.fill();
  }

  // The page shows by itself the step that runs; a log that somebody reads stays.
  pin() {
    const shown = new URLSearchParams(location.search);
    if (!shown.has("step") && !shown.has("service")) history.replaceState(null, "", this.element.dataset.page);
  }

  // A line's number marks the line and is its address.
  pressed(event) {
    const number = event.target.closest("a[data-n]");
    if (!number || event.button || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    const { n } = number.dataset;
    this.box.querySelector(".marked")?.classList.remove("marked");
    number.parentElement.classList.add("marked");
    history.replaceState(null, "", `${this.element.dataset.page}&line=${n}#L${n}`);
    if (this.search !== null) this.goTo(Number(n));
  }

  key(event) {
    if (event.key === "End") {
      event.preventDefault();
      this.follow();
    } else if (event.key === "Home") {
      event.preventDefault();
      this.goTo(1, false);
    }
  }

  follow() {
    this.leaveSearch();
    this.following = true;
    this.measure();
    this.toEnd();
    this.fill();
  }

  // Shows the lines around `n`.
  async goTo(n, mark = true) {
    this.leaveSearch();
    this.following = false;
    await this.load(Math.max(1, n - CHUNK / 2), "replace");
    const line = this.box.querySelector(`#L${n}`);
    if (line && mark) line.classList.add("marked");
    if (line) this.middle(line);
    this.fill();
  }

  tools() {
    const { element } = this;
    for (const tool of element.querySelectorAll(".tools [hidden]")) tool.hidden = false;
    const narrow = matchMedia("(max-width: 600px)").matches ? "1" : "0";
    for (const [name, otherwise] of [["times", "0"], ["wrap", narrow]]) {
      const set = (on) => {
        this.box.classList.toggle(name, on);
        this.button(name, on);
      };
      set(remembered(name, otherwise));
      this.on(name, () => {
        const on = !this.box.classList.contains(name);
        localStorage.setItem(`gantry.${name}`, on ? "1" : "0");
        set(on);
      });
    }
    this.on("follow", () => {
      if (!this.following || this.end) return this.follow();
      this.following = false;
      this.measure();
    });
    const form = element.querySelector("[data-search]");
    this.found = form.querySelector(".found");
    let timer;
    const go = () => this.find(form.q.value.trim());
    form.addEventListener("submit", (event) => (event.preventDefault(), clearTimeout(timer), go()));
    form.q.addEventListener("input", () => (clearTimeout(timer), (timer = setTimeout(go, 250))));
  }

  on(name, call) {
    this.element.querySelector(`[data-toggle=${name}]`).addEventListener("click", call);
  }
  button(name, on) {
    this.element.querySelector(`[data-toggle=${name}]`).setAttribute("aria-pressed", String(on));
  }

  // Only the lines that hold `q`; an empty one shows the log again.
  async find(q) {
    if (q === (this.search ?? "")) return;
    if (!q) return this.follow();
    this.pin();
    this.search = q;
    this.found.textContent = "…";
    let found = 0;
    let from = 1;
    for (const old of this.chunks) old.remove();
    this.measure();
    // A long log is looked through piece by piece.
    while (found < FOUND) {
      const part = await this.ask({ q, from, limit: FOUND - found }).catch(() => null);
      if (this.search !== q || !part) return;
      if (part.count) {
        const chunk = this.chunk(part);
        mark(chunk, q);
        this.below.before(chunk);
      }
      found += part.count;
      this.found.textContent = `${found}…`;
      if (part.end || part.next > part.total || part.next <= from) break;
      from = part.next;
    }
    this.box.scrollTop = 0;
    this.found.textContent = found >= FOUND ? `the first ${FOUND} lines` : found === 1 ? "1 line" : found ? `${found} lines` : "no line";
  }

  leaveSearch() {
    if (this.search === null) return;
    this.search = null;
    this.found.textContent = "";
    this.element.querySelector("[data-search]").reset();
    for (const old of this.chunks) old.remove();
  }
}

// Marks what was found, where one piece of text holds it whole.
const mark = (root, q) => {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  for (let node of nodes) {
    if (node.parentElement.closest("time")) continue;
    for (let at = node.data.indexOf(q); at >= 0; at = node.data.indexOf(q)) {
      const hit = node.splitText(at);
      node = hit.splitText(q.length);
      const found = document.createElement("mark");
      hit.replaceWith(found);
      found.append(hit);
    }
  }
};
