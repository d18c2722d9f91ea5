// The terminal on its own page: xterm.js on one side, the server's WebSocket on the other. Nothing opens before somebody asks for it by the button.

import "./policy.js";
import { FitAddon } from "./xterm-addon-fit.mjs";
import { Terminal } from "./xterm.mjs";

// Bytes that the server sends ahead of what is shown: few, so that Ctrl-C is felt at once however much is printed.
const WINDOW = 256 * 1024;
// Bytes in one frame of what is typed: a paste may be longer than the server takes at once.
const PIECE = 64 * 1024;
const NAME = "gantry.name";

const section = document.querySelector(".tty");
const find = (part) => section.querySelector(`[data-part=${part}]`);
const [form, says, screen, button, leave] = ["form", "says", "screen", "open", "leave"].map(find);
const encoder = new TextEncoder();

let terminal = null;
let fit = null;
let socket = null;

// The colours and letters of logs.
const looks = () => {
  const probe = section.appendChild(document.createElement("i"));
  const colour = (name) => {
    probe.className = name;
    return getComputedStyle(probe).color;
  };
  const names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
  const bright = names.map((name) => `bright${name[0].toUpperCase()}${name.slice(1)}`);
  const theme = Object.fromEntries([...names, ...bright].map((name, n) => [name, colour(`f${n}`)]));
  probe.remove();
  const { color, backgroundColor, fontFamily } = getComputedStyle(screen);
  return { fontFamily, theme: { ...theme, foreground: color, background: backgroundColor, cursor: color, cursorAccent: backgroundColor } };
};

const send = (data) => {
  if (socket?.readyState === WebSocket.OPEN) socket.send(data);
};

const type = (bytes) => {
  for (let at = 0; at < bytes.length; at += PIECE) send(bytes.subarray(at, at + PIECE));
};

// What is pasted cannot end its own paste, or be more than text.
const paste = (event) => {
  event.preventDefault();
  event.stopPropagation();
  terminal.paste((event.clipboardData?.getData("text/plain") ?? "").replaceAll("\x1b", ""));
};

const keys = (event) => {
  if (event.type !== "keydown" || !event.ctrlKey) return true;
  if (event.shiftKey && event.code === "KeyC") {
    event.preventDefault();
    if (terminal.hasSelection()) navigator.clipboard?.writeText(terminal.getSelection());
    return false;
  }
  // The way out for whoever has no mouse: all other keys belong to the terminal.
  if (event.key === ".") {
    event.preventDefault();
    leave.focus();
    return false;
  }
  return true;
};

const make = () => {
  terminal = new Terminal({ ...looks(), fontSize: 13, scrollback: 10_000 });
  fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.attachCustomKeyEventHandler(keys);
  terminal.open(screen);
  screen.addEventListener("paste", paste, true);
  terminal.onData((text) => type(encoder.encode(text)));
  // Reports of the mouse are bytes, not text.
  terminal.onBinary((text) => type(Uint8Array.from(text, (char) => char.charCodeAt(0))));
  terminal.onResize(({ cols, rows }) => send(JSON.stringify({ resize: [cols, rows] })));
  new ResizeObserver(() => screen.clientHeight && fit.fit()).observe(screen);
};

const tell = (text) => {
  says.textContent = text;
};

// `state`: `closed`, `opening` or `open`.
const become = (state) => {
  section.dataset.state = state;
  screen.hidden = state === "closed" && !terminal;
  form.hidden = state !== "closed";
  leave.hidden = state === "closed";
  judge();
};

// Whether there can be one is what the page says: it is asked for anew when something changes.
const judge = () => {
  button.disabled = document.querySelector("[data-refused]") !== null;
};

const over = (last, wasOpen) => {
  if (last?.refused) return tell(last.refused);
  if (last?.exit === 137) return tell("The shell was killed (exit code 137), as all in a container is when the step ends.");
  if (last && "exit" in last) return tell(`The shell exited with ${last.exit}.`);
  if (last?.end) return tell(`The terminal was closed: ${last.end}.`);
  if (wasOpen) return tell("The connection was lost. What ran in the terminal is ended; the step goes on.");
  tell("The server cannot be reached, or could not open one: then its log says why.");
};

const open = (by) => {
  become("opening");
  tell("Opening…");
  if (terminal) terminal.reset();
  else make();
  terminal.options.cursorBlink = true;
  fit.fit();
  const url = new URL(section.dataset.socket, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const asks = { columns: terminal.cols, rows: terminal.rows, by, window: WINDOW, refusals: "frame" };
  for (const [name, value] of Object.entries(asks)) url.searchParams.set(name, value);
  const here = new WebSocket(url);
  socket = here;
  here.binaryType = "arraybuffer";
  let last = null;
  let wasOpen = false;
  let taken = 0;
  const took = (bytes) => {
    taken += bytes;
    if (taken < WINDOW / 4) return;
    if (here.readyState === WebSocket.OPEN) here.send(JSON.stringify({ taken }));
    taken = 0;
  };
  here.onmessage = ({ data }) => {
    if (typeof data === "string") {
      last = JSON.parse(data);
      return;
    }
    if (!wasOpen) {
      wasOpen = true;
      become("open");
      tell(`Open, in the name of ${by}.`);
      terminal.focus();
    }
    terminal.write(new Uint8Array(data), () => took(data.byteLength));
  };
  here.onclose = () => {
    if (socket !== here) return;
    socket = null;
    button.textContent = "Open again";
    terminal.options.cursorBlink = false;
    become("closed");
    over(last, wasOpen);
    button.focus();
  };
};

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const by = form.elements.by.value.trim();
  if (!by || socket) return;
  localStorage.setItem(NAME, by);
  open(by);
});
leave.addEventListener("click", () => {
  const here = socket;
  here?.close();
  tell("Closing…");
});
// A key that closes a word in a shell closes the page in a browser.
addEventListener("beforeunload", (event) => {
  if (socket) event.preventDefault();
});
document.addEventListener("gantry:shown", judge);

form.elements.by.value ||= localStorage.getItem(NAME) ?? "";
become("closed");
section.hidden = false;
